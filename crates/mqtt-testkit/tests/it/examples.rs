//! The examples of mqtt-client, run against a broker.

use mqtt_broker::{Broker, Config};
use mqtt_client::{Client, QoS};
use std::future::IntoFuture;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An example as a module: its `main` is for people.
macro_rules! example {
    ($name:ident, $path:literal) => {
        #[path = $path]
        #[expect(dead_code, reason = "it is a program elsewhere")]
        pub(crate) mod $name;
    };
}

example!(manual_ack, "../../../mqtt-client/examples/manual_ack.rs");
example!(
    offline_queue_on_disk,
    "../../../mqtt-client/examples/offline_queue_on_disk.rs"
);
example!(publish, "../../../mqtt-client/examples/publish.rs");
example!(
    publish_blocking,
    "../../../mqtt-client/examples/publish_blocking.rs"
);
example!(
    request_response,
    "../../../mqtt-client/examples/request_response.rs"
);
example!(subscribe, "../../../mqtt-client/examples/subscribe.rs");
example!(
    subscribe_blocking,
    "../../../mqtt-client/examples/subscribe_blocking.rs"
);
example!(
    tls_client_certificate,
    "../../../mqtt-client/examples/tls_client_certificate.rs"
);
example!(web_service, "../../../mqtt-client/examples/web_service.rs");

async fn broker() -> (Broker, String) {
    let text = "listeners.tcp.default.bind = '127.0.0.1:0'";
    let config = Config::from_toml(text, "test").unwrap();
    let broker = Broker::builder().config(config).start().await.unwrap();
    let address = format!("mqtt://{}", broker.local_addrs()[0]);
    (broker, address)
}

/// Waits until somebody is subscribed to `topic_name`.
async fn somebody_listens(client: &Client, topic_name: &str) {
    loop {
        let publish = client.publish(topic_name, "hello?").qos(QoS::AtLeastOnce);
        if publish.await.unwrap().reason().get() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tutorial_publishes_the_other_prints() {
    let (broker, address) = broker().await;
    let client = Client::builder(&address).connect().await.unwrap();
    let (to, count) = (address.clone(), 6);
    let subscriber = tokio::spawn(async move {
        subscribe::run(&to, count)
            .await
            .map_err(|error| error.to_string())
    });
    somebody_listens(&client, "rust/mqtt").await;
    publish::run(&address).await.unwrap();
    subscriber.await.unwrap().unwrap();
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_without_async() {
    let (broker, address) = broker().await;
    let client = Client::builder(&address).connect().await.unwrap();
    let (to, count) = (address.clone(), 6);
    let subscriber = std::thread::spawn(move || {
        subscribe_blocking::run(&to, count).map_err(|error| error.to_string())
    });
    somebody_listens(&client, "rust/mqtt").await;
    let publisher = std::thread::spawn(move || {
        publish_blocking::run(&address).map_err(|error| error.to_string())
    });
    let joined = tokio::task::spawn_blocking(move || {
        publisher.join().unwrap().unwrap();
        subscriber.join().unwrap().unwrap();
    });
    joined.await.unwrap();
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_gets_its_answer() {
    let (broker, address) = broker().await;
    let answer = request_response::run(&address, "how are you?")
        .await
        .unwrap();
    assert_eq!(answer, "HOW ARE YOU?");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_acknowledged_when_they_are_done() {
    let (broker, address) = broker().await;
    let client = Client::builder(&address).connect().await.unwrap();
    let worker = tokio::spawn(async move {
        manual_ack::run(&address, 3)
            .await
            .map_err(|error| error.to_string())
    });
    somebody_listens(&client, "jobs/first").await;
    for job in ["", "wash up"] {
        let publish = client.publish("jobs/more", job).qos(QoS::AtLeastOnce);
        publish.await.unwrap();
    }
    worker.await.unwrap().unwrap();
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_measured_without_a_server_arrives_from_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("mqtt://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let client = offline_queue_on_disk::begin(&address, directory.path()).unwrap();
    for value in ["21.5", "21.7"] {
        offline_queue_on_disk::measure(&client, value)
            .await
            .unwrap();
    }
    let _ = client.disconnect().timeout(Duration::ZERO).await;

    let (broker, address) = broker().await;
    let reader = Client::builder(&address).connect().await.unwrap();
    let subscribe = reader.subscribe("meters/#").qos(QoS::ExactlyOnce);
    let mut values = subscribe.await.unwrap();
    let client = offline_queue_on_disk::begin(&address, directory.path()).unwrap();
    offline_queue_on_disk::measure(&client, "21.9")
        .await
        .unwrap();
    for value in ["21.5", "21.7", "21.9"] {
        assert_eq!(values.next().await.unwrap().text().unwrap(), value);
    }
    client.disconnect().await.unwrap();
    broker.shutdown().await;
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
        .split("\r\n\r\n")
        .nth(1)
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_service_shares_one_client() {
    let (broker, address) = broker().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = listener.local_addr().unwrap();
    let service = tokio::spawn(async move {
        web_service::run(&address, listener)
            .await
            .map_err(|error| error.to_string())
    });
    let requests = (0..4).map(|number| {
        let path = format!("/publish/room/text-{number}");
        tokio::spawn(async move { get(web, &path).await })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), "published");
    }
    let mut last = String::new();
    while !last.starts_with("web/room: text-") {
        last = get(web, "/last").await;
    }
    service.abort();
    broker.shutdown().await;
    let _ = service.into_future().await;
}
