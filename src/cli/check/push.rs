//! `check --push`: what the run found goes to every `[[push]]` of the files, before the exit and within a bounded time.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::base::secret::Masker;
use crate::cli::output;
use crate::deliver::{Courier, Payload, Receipt};
use crate::event::ProbeOutcome;
use crate::files::telling::Push;
use crate::metrics::Snapshot;
use crate::metrics::push::{Encoder, Next, Occasion, compile};

/// How long all pushes together may take, tries included: the exit waits for it.
const LIMIT: Duration = Duration::from_secs(20);
/// Pauses before the second and the third try; there is no fourth.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

/// Pushes everywhere at once. Says what failed, and gives whether something that was required did.
pub async fn push(
    pushes: &[Push],
    all_required: bool,
    outcomes: &[ProbeOutcome],
    courier: &Courier,
    masker: &Masker,
    cancel: &CancellationToken,
) -> bool {
    let snapshot = Snapshot::of_runs(outcomes, Timestamp::now());
    let sent = join_all(pushes.iter().map(|push| async {
        match tokio::time::timeout(LIMIT, one(push, &snapshot, courier, cancel)).await {
            Ok(sent) => sent,
            Err(_) => Err(format!("it did not take everything within {} s", LIMIT.as_secs())),
        }
    }));
    let mut undelivered = false;
    for (push, sent) in pushes.iter().zip(sent.await) {
        let Err(why) = sent else { continue };
        undelivered |= all_required || push.is_required();
        let told = masker.mask(&why);
        // Stderr may be closed; the exit code says it, too.
        let _ = output::say(&format!("warning: `{}` did not get the results: {told}\n", push.name), true);
    }
    undelivered
}

async fn one(push: &Push, snapshot: &Snapshot, courier: &Courier, cancel: &CancellationToken) -> Result<(), String> {
    let mut encoder = compile(push.kind, &push.name, &push.settings)?;
    let mut forms = 0;
    'encode: loop {
        forms += 1;
        for payload in encoder.encode(snapshot, Occasion::Run) {
            match carry(encoder.as_mut(), &payload, courier, cancel).await {
                (_, Next::Again) if forms <= 2 => continue 'encode,
                (Receipt::Delivered, _) => {}
                (Receipt::Refused { why, .. } | Receipt::Failed { why, .. }, _) => return Err(why),
                (Receipt::Cut, _) => return Err("it was broken off".to_owned()),
            }
        }
        return Ok(());
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
