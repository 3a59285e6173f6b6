//! The least a client does over HTTP: one connection, learn the era, read the tools, print them.

use std::error::Error;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

async fn ask(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    uri: &Uri,
    id: usize,
    method: &str,
) -> Result<Value, Box<dyn Error>> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "floor", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": meta}}).to_string();
    let request = Request::post(uri.path())
        .header("host", uri.authority().ok_or("no host")?.as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .body(Full::new(Bytes::from(body)))?;
    let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&body)?)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let uri: Uri = std::env::args().nth(1).ok_or("usage: http-client URL")?.parse()?;
    let stream = tokio::net::TcpStream::connect(uri.authority().ok_or("no host")?.as_str()).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let talk = async {
        ask(&mut sender, &uri, 0, "server/discover").await?;
        println!("{:#}", ask(&mut sender, &uri, 1, "tools/list").await?["result"]["tools"]);
        drop(sender);
        Ok::<(), Box<dyn Error>>(())
    };
    let mut talk = std::pin::pin!(talk);
    let mut connection = std::pin::pin!(connection);
    // The connection is driven beside the talk, and ends when its sender does.
    std::future::poll_fn(|cx| {
        let _ = connection.as_mut().poll(cx);
        talk.as_mut().poll(cx)
    })
    .await
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(run())
}
