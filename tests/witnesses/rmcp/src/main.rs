//! A server on the official Rust SDK: one tool, over stdio or streamable HTTP, in both eras.
//!
//! `witness-rmcp stdio` serves one client; `witness-rmcp http` takes a free port, says which on its first line of
//! stdout, and writes every HTTP request's method and status to stderr, so that a test can see sessions end.

use std::error::Error;

use axum::{Router, extract::Request, middleware::Next, response::Response};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use rmcp::{ServiceExt, schemars, tool, tool_router};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Summands {
    a: i64,
    b: i64,
}

#[derive(Clone)]
struct Adder;

#[tool_router(server_handler)]
impl Adder {
    #[tool(description = "The sum of two whole numbers")]
    fn add(&self, Parameters(Summands { a, b }): Parameters<Summands>) -> String {
        a.saturating_add(b).to_string()
    }
}

async fn write_down(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let response = next.run(request).await;
    eprintln!("{method} {}", response.status().as_u16());
    response
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("stdio") => {
            Adder.serve(rmcp::transport::stdio()).await?.waiting().await?;
        }
        Some("http") => {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            println!("listening on http://{}/mcp", listener.local_addr()?);
            let service = StreamableHttpService::new(
                || Ok(Adder),
                LocalSessionManager::default().into(),
                StreamableHttpServerConfig::default(),
            );
            let router = Router::new().nest_service("/mcp", service).layer(axum::middleware::from_fn(write_down));
            axum::serve(listener, router).await?;
        }
        _ => return Err("usage: witness-rmcp stdio|http".into()),
    }
    Ok(())
}
