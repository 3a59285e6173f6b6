//! Performing a script: the same acts on every transport, into whatever takes messages there.

use std::io;

use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::dialogue::{Change, Ending, Server};
use super::features::list_changed;
use super::script::{Listen, Step};
use super::tools::reply_to_answer;

/// Takes what the server says about one request.
pub trait Outlet: Send {
    /// A message, in the framing of the transport.
    fn say(&mut self, message: &Value) -> impl Future<Output = io::Result<()>> + Send;
    /// Bytes as they are.
    fn raw(&mut self, bytes: Vec<u8>) -> impl Future<Output = io::Result<()>> + Send;
    /// Nothing can be said after this.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// Performs the steps in order. A script that hangs, listens or ends the process never returns.
///
/// # Errors
/// When the client cannot be written to.
pub async fn perform(server: &Server, steps: Vec<Step>, outlet: &mut impl Outlet) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Say(message) => outlet.say(&message).await?,
            Step::Raw(bytes) => outlet.raw(bytes).await?,
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::CloseStdout => outlet.close().await,
            Step::Hang => std::future::pending().await,
            Step::Exit(code) => end(server, Ending::Exit(code)).await,
            Step::Kill => end(server, Ending::Kill).await,
            Step::Ask(ask) => {
                let (id, answer) = server.question();
                outlet.say(&json!({"jsonrpc": "2.0", "id": id, "method": ask.method, "params": ask.params})).await?;
                if let Ok(answer) = answer.await {
                    outlet.say(&reply_to_answer(&ask.reply_to, &answer)).await?;
                }
            }
            Step::Listen(listen) => {
                let mut changes = server.changes.subscribe();
                while let Some(message) = next_change(&mut changes, &listen).await {
                    outlet.say(&message).await?;
                }
            }
        }
    }
    Ok(())
}

async fn end(server: &Server, ending: Ending) {
    let _ = server.endings.send(ending);
    std::future::pending::<()>().await;
}

async fn next_change(changes: &mut broadcast::Receiver<Change>, listen: &Listen) -> Option<Value> {
    loop {
        match changes.recv().await {
            Ok(Change::Tools) if listen.tools => return Some(list_changed("tools", Some(&listen.id))),
            Ok(Change::Resources) if listen.resources => return Some(list_changed("resources", Some(&listen.id))),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

/// The next change as a notification to a legacy client, which hears of all of them.
pub async fn next_unasked_change(changes: &mut broadcast::Receiver<Change>) -> Option<Value> {
    loop {
        match changes.recv().await {
            Ok(Change::Tools) => return Some(list_changed("tools", None)),
            Ok(Change::Resources) => return Some(list_changed("resources", None)),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
