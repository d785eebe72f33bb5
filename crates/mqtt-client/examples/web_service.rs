//! A web service whose handlers share one client: GET /publish/{topic}/{text} publishes, GET /last shows what came.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use mqtt_client::{Client, QoS};
use std::error::Error;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("mqtt://localhost:1883");
    run(address, TcpListener::bind("127.0.0.1:8000").await?).await
}

/// What every handler gets: clones of one handle.
#[derive(Clone)]
struct Shared {
    client: Client,
    last: watch::Receiver<Arc<str>>,
}

/// Serves HTTP on `listener` and talks to the server at `address`.
pub(crate) async fn run(address: &str, listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(address).connect().await?;
    let mut messages = client.subscribe("web/#").qos(QoS::AtLeastOnce).await?;
    let (sender, last) = watch::channel(Arc::from("nothing yet"));
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            let text = String::from_utf8_lossy(message.payload());
            sender.send_replace(format!("{}: {text}", message.topic_name()).into());
        }
    });
    let shared = Shared { client, last };
    let routes = Router::new()
        .route("/publish/{topic}/{text}", get(publish))
        .route("/last", get(show_last))
        .with_state(shared);
    println!("listening on {}", listener.local_addr()?);
    serve(listener, routes).await?;
    Ok(())
}

/// Answers when the broker has acknowledged.
async fn publish(
    State(shared): State<Shared>,
    Path((topic, text)): Path<(String, String)>,
) -> Result<&'static str, (StatusCode, String)> {
    let publish = shared.client.publish(format!("web/{topic}"), text);
    match publish.qos(QoS::AtLeastOnce).await {
        Ok(_) => Ok("published"),
        Err(error) if error.is_retryable() => {
            Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        }
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

async fn show_last(State(shared): State<Shared>) -> String {
    shared.last.borrow().to_string()
}
