//! What every handler shares.

use std::sync::Arc;

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Request};
use indelible_core::name::LedgerName;
use indelible_ledger::{Engine, SignerName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::counters::HttpMetrics;
use super::errors::{Code, Problem};
use super::recent::Recent;
use crate::archiving::Archiving;
use crate::auth::{Caller, Scope, Tokens};
use crate::budget::{Budget, Disk};
use crate::config::{Archive, Limits};
use crate::listen::Counters;

/// The server behind the handlers.
pub struct App {
    /// The ledger engine.
    pub engine: Engine,
    /// Configured signers whose key was not there at the start.
    pub absent_signers: Vec<SignerName>,
    /// Limits of the configuration.
    pub limits: Arc<Limits>,
    /// Who may.
    pub tokens: Tokens,
    /// Connections, as the listener counts them.
    pub connections: Arc<Counters>,
    /// Answers by status.
    pub metrics: HttpMetrics,
    /// Whether `/metrics` answers without a token.
    pub metrics_public: bool,
    /// Where archives may be written on request; settled by the address that is listened on.
    pub archive: Archive,
    /// Archive runs.
    pub archiving: Arc<Archiving>,
    /// Becomes true when the server is to stop.
    pub stop: watch::Receiver<bool>,
    /// What may be held in memory for requests.
    pub budget: Budget,
    /// What may be set aside on disk of results that clients do not take.
    pub disk: Arc<Disk>,
    /// Recent records of the ledgers that somebody follows.
    pub recent: Recent,
    /// Reads that use the store.
    pub reads: Arc<Semaphore>,
    /// Exports and long listings.
    pub exports: Arc<Semaphore>,
    /// Event streams.
    pub streams: Arc<Semaphore>,
}

impl App {
    /// Checks that the sender of `headers` may use `scope`.
    ///
    /// # Errors
    /// 401 and 403.
    pub fn allow(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
        Ok(self.tokens.allow(authorization(headers), scope, None)?)
    }

    /// Checks that the sender of `request` may use `scope` on the ledger named in the path. Rights come
    /// first: who may nothing learns nothing, not even whether a name is well formed.
    ///
    /// # Errors
    /// 401, 403, and 400 for what cannot be a ledger's name.
    pub fn ledger<B>(
        &self,
        request: &Request<B>,
        scope: Scope,
        name: &str,
    ) -> Result<LedgerName, Problem> {
        self.ledger_for(request, scope, name).map(|(ledger, _)| ledger)
    }

    /// As [`App::ledger`], with the sender.
    ///
    /// # Errors
    /// As [`App::ledger`].
    pub fn ledger_for<B>(
        &self,
        request: &Request<B>,
        scope: Scope,
        name: &str,
    ) -> Result<(LedgerName, Caller), Problem> {
        let caller = self.allow(request.headers(), scope)?;
        let ledger = LedgerName::new(name)?;
        if caller.reaches(&ledger) {
            Ok((ledger, caller))
        } else {
            Err(crate::auth::Denied::Ledger.into())
        }
    }

    /// Runs a read of the store where it may block.
    ///
    /// # Errors
    /// What `work` answers; 500 when it panicked.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Engine) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| stopping())?;
        let engine = self.engine.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&engine)
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a read did not come to its end");
            Err(Problem::new(Code::Internal, "the read failed; see the server's log"))
        })
    }

    /// Takes one of the few places for a long answer.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub fn long(
        &self,
        places: &Arc<Semaphore>,
        what: &'static str,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        if *self.stop.borrow() {
            return Err(stopping());
        }
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            Problem::new(
                Code::TooBusy,
                format!("the server already has as many open {what} as it takes"),
            )
        })
    }
}

fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(AUTHORIZATION).map(|value| value.as_bytes())
}

fn stopping() -> Problem {
    Problem::new(Code::ShuttingDown, "the server is shutting down; try again later")
}
