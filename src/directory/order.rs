//! The order of those who change a tenant: one after the other, first come, first served, and only so many wait.
//!
//! Whoever changes a directory reads it, judges and writes over the revision that was read. Without an order all but
//! one of those who do so at once have judged in vain.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::store::StoreError;
use crate::model::TenantId;

/// The orders of all tenants.
#[derive(Debug)]
pub(super) struct WriteOrder {
    tenants: Mutex<HashMap<TenantId, Arc<Line>>>,
    most_waiting: usize,
}

/// Those of one tenant.
#[derive(Debug)]
struct Line {
    places: Arc<Semaphore>,
    /// Fair: it is given to those who wait in the order in which they came.
    turn: Arc<TurnMutex<()>>,
}

/// Held by the one whose turn it is, and given on when it is dropped.
#[derive(Debug, Default)]
pub struct Turn {
    _held: Option<(OwnedMutexGuard<()>, OwnedSemaphorePermit)>,
}

impl WriteOrder {
    pub(super) fn within(most_waiting: usize) -> Self {
        Self { tenants: Mutex::default(), most_waiting: most_waiting.clamp(1, Semaphore::MAX_PERMITS) }
    }

    /// Waits for one's turn.
    ///
    /// # Errors
    /// `TooManyWaiting`.
    pub(super) async fn turn(&self, tenant: &TenantId) -> Result<Turn, StoreError> {
        let (turn, place) = {
            let line = self.line(tenant);
            let place = Arc::clone(&line.places).try_acquire_owned().map_err(|_| StoreError::TooManyWaiting)?;
            (Arc::clone(&line.turn), place)
        };
        Ok(Turn { _held: Some((turn.lock_owned().await, place)) })
    }

    fn line(&self, tenant: &TenantId) -> Arc<Line> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = tenants.get(tenant) {
            return Arc::clone(line);
        }
        if tenants.len() >= MOST_IDLE {
            // Nobody stands in a line whose turn only the table knows.
            tenants.retain(|_, line| Arc::strong_count(line) > 1 || Arc::strong_count(&line.turn) > 1);
        }
        let turn = Arc::new(TurnMutex::new(()));
        let line = Arc::new(Line { places: Arc::new(Semaphore::new(self.most_waiting)), turn });
        tenants.insert(tenant.clone(), Arc::clone(&line));
        line
    }
}

/// Lines that are kept though nobody stands in them.
const MOST_IDLE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    #[tokio::test]
    async fn turns_are_given_in_the_order_in_which_they_were_asked_for() {
        let order = Arc::new(WriteOrder::within(100));
        let first = order.turn(&tenant("acme")).await.unwrap();
        let came = Arc::new(Mutex::new(Vec::new()));
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..50 {
            let (order, came) = (Arc::clone(&order), Arc::clone(&came));
            writers.spawn(async move {
                let _turn = order.turn(&tenant("acme")).await.unwrap();
                tokio::task::yield_now().await;
                came.lock().unwrap().push(number);
            });
            tokio::task::yield_now().await;
        }
        assert!(came.lock().unwrap().is_empty());
        drop(first);
        writers.join_all().await;
        assert_eq!(*came.lock().unwrap(), (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_refused_and_other_tenants_are_not() {
        let order = WriteOrder::within(2);
        let (acme, other) = (tenant("acme"), tenant("other"));
        let first = order.turn(&acme).await.unwrap();
        let second = order.turn(&acme);
        let mut second = std::pin::pin!(second);
        assert!(futures_are_pending(&mut second));
        assert!(matches!(order.turn(&acme).await, Err(StoreError::TooManyWaiting)));
        drop(order.turn(&other).await.unwrap());
        drop(first);
        drop(second.await.unwrap());
        drop(order.turn(&acme).await.unwrap());
    }

    #[tokio::test]
    async fn a_line_in_which_somebody_stands_is_not_forgotten_for_many_others() {
        let order = WriteOrder::within(10);
        let held = order.turn(&tenant("acme")).await.unwrap();
        for number in 0..MOST_IDLE * 2 {
            drop(order.turn(&tenant(&format!("t{number}"))).await.unwrap());
        }
        assert!(order.tenants.lock().unwrap().len() <= MOST_IDLE);
        let acme = tenant("acme");
        let mut next = std::pin::pin!(order.turn(&acme));
        assert!(futures_are_pending(&mut next));
        drop(held);
        drop(next.await.unwrap());
    }

    fn futures_are_pending<T>(future: &mut std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut context).is_pending()
    }
}
