//! Texts of extension values in, the same in the notation that Cedar reads: any RFC 3339 time, and an IPv4 address
//! inside an IPv6 one as the address that it is.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

/// The text as Cedar reads it; a text that is no value of the type is left as it is, for Cedar to refuse.
pub fn cedar_notation<'a>(type_name: &str, text: &'a str) -> Cow<'a, str> {
    let other = match type_name {
        "ipaddr" => address(text),
        "datetime" => moment(text),
        _ => None,
    };
    other.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// RFC 4291 §2.5.5.2: `::ffff:10.1.2.3` is `10.1.2.3`, and the range `::ffff:10.0.0.0/104` is `10.0.0.0/8`. Proxies
/// that listen on both kinds of address write the former for the latter.
fn address(text: &str) -> Option<String> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    if !address.contains(':') || text.len() > LONGEST {
        return None;
    }
    let address: Ipv6Addr = address.parse().ok()?;
    let bits = match prefix {
        None => None,
        Some(prefix) => Some(bits(prefix)?),
    };
    let (address, bits) = match (address.to_ipv4_mapped(), bits) {
        (Some(mapped), None) => (IpAddr::V4(mapped), None),
        (Some(mapped), Some(bits)) if (MAPPED_BITS..=128).contains(&bits) => {
            (IpAddr::V4(mapped), Some(bits - MAPPED_BITS))
        }
        _ => (IpAddr::V6(address), bits),
    };
    let shown = match address {
        IpAddr::V4(address) => address.to_string(),
        // Cedar takes no dots here, and Rust writes some.
        IpAddr::V6(address) => address.segments().map(|segment| format!("{segment:x}")).join(":"),
    };
    Some(match bits {
        Some(bits) => format!("{shown}/{bits}"),
        None => shown,
    })
}

/// RFC 3339 §5.6 and ISO 8601: `2026-11-28T18:03:00.25+01:00`, and the same without seconds.
fn moment(text: &str) -> Option<String> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    let is_date = text.len() <= LONGEST && matches!(text.get(10..11)?, "T" | "t" | " ");
    let (year, month, day) = (number(date.get(..4)?, 4)?, number(date.get(5..7)?, 2)?, number(date.get(8..)?, 2)?);
    if !is_date || date.get(4..5)? != "-" || date.get(7..8)? != "-" {
        return None;
    }
    let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at_checked(at)?,
        None => return None,
    };
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, rest)| (clock, Some(rest)));
    let (hour, minute) = (number(clock.get(..2)?, 2)?, number(clock.get(3..5)?, 2)?);
    let second = match clock.get(5..)? {
        "" if fraction.is_none() => 0,
        rest => number(rest.strip_prefix(':')?, 2)?,
    };
    if clock.get(2..3)? != ":" {
        return None;
    }
    let fraction = match fraction {
        None => String::new(),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            // Cedar counts milliseconds; finer parts of them have passed already.
            format!(".{:0<3}", digits.get(..digits.len().min(3))?)
        }
        Some(_) => return None,
    };
    let offset = match offset {
        "Z" | "z" => "Z".to_owned(),
        _ => {
            let (sign, rest) = offset.split_at_checked(1)?;
            let (hours, minutes) = match rest.len() {
                2 => (rest, "00"),
                4 => rest.split_at_checked(2)?,
                _ => rest.split_once(':')?,
            };
            format!("{sign}{:02}{:02}", number(hours, 2)?, number(minutes, 2)?)
        }
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}"))
}

/// A number of exactly so many digits.
fn number(digits: &str, count: usize) -> Option<u32> {
    let is_number = digits.len() == count && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

/// How many bits a range fixes; a zero before them is refused, as by Cedar.
fn bits(digits: &str) -> Option<u32> {
    let is_padded = digits.len() > 1 && digits.starts_with('0');
    if is_padded || digits.len() > 3 { None } else { number(digits, digits.len()).filter(|bits| *bits <= 128) }
}

/// Of an IPv6 address before the IPv4 one that it maps.
const MAPPED_BITS: u32 = 96;
/// Longer than any address or time.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::extension_value;

    #[test]
    fn a_mapped_address_is_the_address_that_it_maps() {
        for (given, plain) in [
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::FFFF:10.1.2.3", "10.1.2.3"),
            ("0:0:0:0:0:ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:a01:203", "10.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0a00:0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3/128", "10.1.2.3/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::1"),
            ("10.1.2.3/8", "10.1.2.3/8"),
            ("::1", "::1"),
        ] {
            assert_eq!(extension_value("ipaddr", given), extension_value("ipaddr", plain), "{given}");
            assert!(extension_value("ipaddr", given).is_some(), "{given}");
        }
        for none in
            ["::ffff:10.1.2", "::ffff:10.1.2.3/129", "::ffff:10.1.2.3/0104", "::ffff:10.1.2.3/", "::ffff:300.1.1.1"]
        {
            assert_eq!(extension_value("ipaddr", none), None, "{none}");
        }
    }

    #[test]
    fn a_time_is_the_same_in_every_notation() {
        for (given, utc) in [
            ("2026-11-28T18:03:00+01:00", "2026-11-28T17:03:00Z"),
            ("2026-11-28T18:03-07:00", "2026-11-29T01:03:00Z"),
            ("2026-11-28T18:03Z", "2026-11-28T18:03:00Z"),
            ("2026-11-28t18:03:00z", "2026-11-28T18:03:00Z"),
            ("2026-11-28 18:03:00Z", "2026-11-28T18:03:00Z"),
            ("2026-11-28T18:03:00.5Z", "2026-11-28T18:03:00.500Z"),
            ("2026-11-28T18:03:00.123456789+05:30", "2026-11-28T12:33:00.123Z"),
            ("2026-11-28T18:03:00+01", "2026-11-28T17:03:00Z"),
            ("2026-11-28T18:03:00-00:00", "2026-11-28T18:03:00Z"),
            ("2026-11-28T18:03:00+0100", "2026-11-28T17:03:00Z"),
        ] {
            assert!(extension_value("datetime", given).is_some(), "{given}");
            assert_eq!(extension_value("datetime", given), extension_value("datetime", utc), "{given}");
        }
        for none in [
            "2026-11-28T18:03",
            "2026-11-28T18Z",
            "2026-13-28T18:03:00Z",
            "2026-11-28T25:03:00+01:00",
            "2026-11-28T18:03:00+25:00",
            "2026-11-28T18:03.5Z",
            "2026-11-28T18:03:00.Z",
            "2026-11-28T18:03:00é",
            "26-11-28T18:03:00Z",
            "2026-11-28T18:03:00+1:00",
            "+026-11-28T18:03:00Z",
        ] {
            assert_eq!(extension_value("datetime", none), None, "{none}");
        }
    }

    proptest! {
        /// Whatever Cedar reads itself is read as Cedar reads it, but for addresses that map another.
        #[test]
        fn no_text_means_another_value_than_to_cedar(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]([T t][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?(\\.[0-9]{1,4})?(Z|z|[+-][0-9]{2}:?[0-9]{2}))?|[0-9a-f:]{2,12}|[0-9.]{7,11}(/[0-9]{1,2})?",
        ) {
            for kind in ["ipaddr", "datetime"] {
                let shown = cedar_notation(kind, &text);
                let is_mapped = text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_ipv4_mapped().is_some());
                if let (Some(plain), false) = (crate::schema::extension_values::by_cedar(kind, &text), is_mapped) {
                    prop_assert_eq!(Some(plain), crate::schema::extension_values::by_cedar(kind, &shown));
                }
                if kind == "datetime" {
                    let chronos = chrono::DateTime::parse_from_rfc3339(&text).ok();
                    let chronos = chronos.filter(|at| chrono::Timelike::nanosecond(at) < 1_000_000_000);
                    let chronos = chronos.filter(|at| at.offset().local_minus_utc().abs() < 24 * 3600);
                    let utc = chronos.map(|at| at.to_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
                    if let Some(utc) = utc.filter(|utc| utc.len() == 24) {
                        prop_assert_eq!(extension_value(kind, &text), extension_value(kind, &utc));
                    }
                }
            }
        }
    }
}
