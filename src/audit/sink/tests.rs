//! Disks that are full, for a while or in the middle of a line.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// A disk with so many bytes of room, which may refuse to take anything back.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    room: usize,
    /// The most that one write takes.
    at_once: usize,
    can_cut: bool,
}

impl Output for Disk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        let count = bytes.len().min(state.room).min(state.at_once.max(1));
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room -= count;
        state.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn keep(&mut self, _: usize) {}

    fn mend(&mut self, torn: usize) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.can_cut {
            let length = state.bytes.len() - torn;
            state.bytes.truncate(length);
            state.room += torn;
            return Ok(());
        }
        if state.room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room -= 1;
        state.bytes.push(b'\n');
        Ok(())
    }
}

proptest! {
    /// Whatever room there is and comes: every line that counts as written is there once, whole, in order, and where a
    /// torn one can be taken back nothing else is.
    #[test]
    fn what_counts_as_written_is_there_and_no_torn_line_where_it_can_be_taken_back(
        batches in proptest::collection::vec((proptest::collection::vec(1_usize..40, 1..6), 0_usize..90, 1_usize..50), 1..20),
        can_cut: bool,
    ) {
        let disk = Disk::default();
        disk.0.lock().unwrap().can_cut = can_cut;
        let mut sink = Sink::of(Box::new(disk.clone()), 10);
        let (mut written, mut number) = (Vec::new(), 0);
        for (sizes, room, at_once) in batches {
            {
                let mut state = disk.0.lock().unwrap();
                (state.room, state.at_once) = (room, at_once);
            }
            let mut lines = Vec::new();
            for size in sizes {
                number += 1;
                lines.push(format!("<{number}:{}>", "x".repeat(size)));
            }
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let count = match sink.write(text.as_bytes()) {
                Ok(()) => lines.len(),
                Err(failed) => failed.whole_lines,
            };
            written.extend(lines.into_iter().take(count));
        }
        let state = disk.0.lock().unwrap();
        let text = String::from_utf8(state.bytes.clone()).unwrap();
        let whole: Vec<_> = text.lines().filter(|line| line.starts_with('<') && line.ends_with('>')).collect();
        // A line that lacked nothing but its end may be there beside those that count.
        let mut there = whole.iter();
        prop_assert!(written.iter().all(|line| there.any(|found| found == line)), "{:?} in {:?}", written, whole);
        if can_cut {
            prop_assert_eq!(&whole, &written);
            prop_assert_eq!(text.lines().count(), written.len());
            prop_assert!(text.is_empty() || text.ends_with('\n'));
        }
    }
}

#[test]
fn a_file_that_ends_in_a_piece_of_a_line_goes_on_with_a_clean_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    for (before, after) in [
        ("", "new\n"),
        ("a\nb\n", "a\nb\nnew\n"),
        ("a\npiece", "a\nnew\n"),
        ("piece", "new\n"),
        (&format!("a\n{}", "x".repeat(200_000)), "a\nnew\n"),
    ] {
        std::fs::write(&path, before).unwrap();
        let mut sink = Sink::file(&path, 1 << 20, 1).unwrap();
        sink.write(b"new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
    }
}

#[test]
fn a_torn_line_is_cut_off_a_file_unless_somebody_else_changed_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut file = LogFile::open(&path, 1 << 20, 1).unwrap();
    assert_eq!(file.append(b"one\ntw").unwrap(), 6);
    file.keep(4);
    file.mend(2).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
    file.append(b"tw").unwrap();
    std::fs::write(&path, "cut\n").unwrap();
    file.mend(2).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "cut\n\n");
}

#[test]
fn a_log_that_cannot_be_set_aside_is_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut sink = Sink::file(&path, 16, 1).unwrap();
    // A folder with something in it is in the way.
    std::fs::create_dir_all(folder.path().join("log.1/x")).unwrap();
    for _ in 0..4 {
        sink.write(b"a line of this log\n").unwrap();
    }
    let count = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(count(&path), 4);
    std::fs::remove_dir_all(folder.path().join("log.1")).unwrap();
    sink.write(b"a line of this log\n").unwrap();
    sink.write(b"one more\n").unwrap();
    assert_eq!((count(&folder.path().join("log.1")), count(&path)), (5, 1));
}
