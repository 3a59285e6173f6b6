//! `check --push`: what the run found goes to every `[[push]]` of the files, before the exit and within a bounded time.

use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::base::secret::Masker;
use crate::cli::output;
use crate::deliver::{Courier, Payload, Receipt};
use crate::files::telling::Push;
use crate::metrics::Snapshot;
use crate::metrics::push::{Ear, Encoder, Next, Occasion, compile};

/// How long all pushes together may take, tries included: the exit waits for it.
const LIMIT: Duration = Duration::from_secs(20);
/// Pauses before the second and the third try; there is no fourth.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

/// The pushes of a run, ready before it begins: some of them listen while it goes on.
#[derive(Default)]
pub struct Pushes(Vec<(Push, Box<dyn Encoder>)>);

impl Pushes {
    /// Makes the encoders.
    ///
    /// # Errors
    /// A sentence about the setting that is wrong.
    pub fn new(pushes: Vec<Push>) -> Result<Self, String> {
        let made = pushes.into_iter().map(|push| {
            let encoder = compile(push.kind, &push.name, &push.settings)?;
            Ok((push, encoder))
        });
        made.collect::<Result<_, _>>().map(Self)
    }

    /// Those that listen.
    #[must_use]
    pub fn ears(&self, masker: &Masker) -> Vec<Ear> {
        self.0.iter().filter_map(|(_, encoder)| encoder.ear(masker)).collect()
    }

    /// Pushes everywhere at once. Says what failed, and gives whether something that was required did.
    pub async fn push(
        mut self,
        all_required: bool,
        snapshot: &Snapshot,
        courier: &Courier,
        masker: &Masker,
        cancel: &CancellationToken,
    ) -> bool {
        let sent = join_all(self.0.iter_mut().map(|(_, encoder)| async move {
            match tokio::time::timeout(LIMIT, one(encoder.as_mut(), snapshot, courier, cancel)).await {
                Ok(told) => told,
                Err(_) => Told {
                    lost: Some(format!("it did not take everything within {} s", LIMIT.as_secs())),
                    partly: None,
                },
            }
        }));
        let sent = sent.await;
        let mut undelivered = false;
        for ((push, encoder), told) in self.0.iter().zip(sent) {
            // Stderr may be closed; the exit code says it, too.
            let say = |what: &str, why: &str| {
                let _ = output::say(&format!("warning: `{}` {what}: {}\n", push.name, masker.mask(why)), true);
            };
            if let Some(advice) = encoder.advice(Occasion::Run) {
                say("takes results that do not last", advice);
            }
            undelivered |= told.is_less_than_all() && (all_required || push.is_required());
            if let Some(why) = told.partly {
                say("did not take all of the results", &why);
            }
            if let Some(why) = told.lost {
                say("did not get the results", &why);
            }
        }
        undelivered
    }
}

/// What became of the payloads of one push.
#[derive(Default)]
struct Told {
    /// Why something did not arrive: the first of it.
    lost: Option<String>,
    /// What arrived, and was not taken as a whole; or what there was no room for until it could be sent.
    partly: Option<String>,
}

impl Told {
    fn is_less_than_all(&self) -> bool {
        self.lost.is_some() || self.partly.is_some()
    }
}

/// Sends everything that a push has to say, and asks it what it could not say.
async fn one(encoder: &mut dyn Encoder, snapshot: &Snapshot, courier: &Courier, cancel: &CancellationToken) -> Told {
    let mut told = payloads(encoder, snapshot, courier, cancel).await;
    // What could not be encoded made no payload that could have failed.
    told.lost = told.lost.or(encoder.trouble());
    let dropped = encoder.dropped();
    if dropped > 0 && !told.is_less_than_all() {
        told.partly = Some(format!("{dropped} spans, records or points of this run were dropped: there were too many"));
    }
    told
}

/// Sends every payload of a push. One that is refused keeps nobody from the next, which may go to another place.
async fn payloads(
    encoder: &mut dyn Encoder,
    snapshot: &Snapshot,
    courier: &Courier,
    cancel: &CancellationToken,
) -> Told {
    let mut forms = 0;
    'encode: loop {
        forms += 1;
        let mut told = Told::default();
        for payload in &encoder.encode(snapshot, Occasion::Run) {
            match carry(encoder, payload, courier, cancel).await {
                (_, Next::Again) if forms <= 2 => continue 'encode,
                (Receipt::Delivered, _) => {}
                (Receipt::Partly { why, .. }, _) => told.partly = told.partly.or(Some(why)),
                (Receipt::Refused { why, .. } | Receipt::Failed { why, .. }, _) => told.lost = told.lost.or(Some(why)),
                (Receipt::Cut, _) => return Told { lost: Some("it was broken off".to_owned()), ..told },
            }
        }
        return told;
    }
}

/// Tries a few times, where another try may help.
async fn carry(
    encoder: &mut dyn Encoder,
    payload: &Payload,
    courier: &Courier,
    cancel: &CancellationToken,
) -> (Receipt, Next) {
    let mut pauses = PAUSES.into_iter();
    loop {
        let receipt = courier.send(payload, cancel).await;
        let next = encoder.heard(&receipt);
        let (Receipt::Failed { retry_after, .. }, Next::AsReceived, Some(pause)) = (&receipt, next, pauses.next())
        else {
            return (receipt, next);
        };
        let pause = pause.mul_f64(0.5 + fastrand::f64()).max(retry_after.unwrap_or_default());
        if pause > LIMIT {
            return (receipt, next);
        }
        tokio::select! {
            () = cancel.cancelled() => return (Receipt::Cut, Next::AsReceived),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
