//! The main README's examples, compiled here, and a check that they are the same lines.

use std::error::Error;

const README: &str = include_str!("../../../../README.md");
const HERE: &str = include_str!("readme.rs");

/// The client example needs a broker on port 1883, so it is compiled and not run.
#[rustfmt::skip] // Shown in the README as it stands here.
async fn client() -> Result<(), Box<dyn Error>> {
    use mqtt_client::{Client, QoS};
    let client = Client::builder("mqtt://localhost").connect().await?;
    let mut readings = client.subscribe("sensors/#").qos(QoS::AtLeastOnce).await?;
    client.publish("sensors/kitchen", "21.5").qos(QoS::AtLeastOnce).await?;
    println!("{:?}", readings.next().await.map(|message| message.payload().clone()));
    Ok(())
}

#[rustfmt::skip] // Shown in the README as it stands here.
#[tokio::test]
async fn broker() -> Result<(), Box<dyn Error>> {
    use mqtt_broker::{Broker, Config};
    let config = Config::from_toml("listeners.tcp.default.bind = '127.0.0.1:0'", "example")?;
    let broker = Broker::builder().config(config).start().await?;
    println!("listening on {:?}", broker.local_addrs());
    broker.shutdown().await;
    Ok(())
}

#[rustfmt::skip] // Shown in the README as it stands here.
#[test]
fn codec() -> Result<(), Box<dyn Error>> {
    use mqtt_codec::{Packet, ProtocolVersion, frame};
    let bytes = [0x30, 0x08, 0x00, 0x02, b'a', b'/', 0x00, b'2', b'1', b'!'];
    let found = frame(&bytes, 1024)?.ok_or("more bytes are needed")?;
    let packet = Packet::decode(found, ProtocolVersion::V5)?;
    assert!(matches!(packet, Packet::Publish(publish) if publish.payload == b"21!"));
    Ok(())
}

/// Every Rust block of the README stands in this file, line by line.
#[test]
fn readme_shows_what_is_compiled_here() {
    let _ = client;
    let compiled: Vec<&str> = HERE.lines().map(str::trim).collect();
    let blocks: Vec<Vec<&str>> = README
        .split("```rust\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(|block| block.lines().map(str::trim).collect())
        .collect();
    assert_eq!(blocks.len(), 3, "client, broker, codec");
    for block in blocks {
        let found = compiled.windows(block.len()).any(|window| window == block);
        assert!(found, "not compiled here: {block:#?}");
    }
}
