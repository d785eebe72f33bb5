//! SRV records, from a name server of the test's own.

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record};
use mqtt_io::{Scheme, SrvError, SrvResolver};
use tokio::net::UdpSocket;

/// Knows two services of `example.com`, one that is said not to exist, and nothing else.
async fn name_server() -> SrvResolver {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 1500];
        loop {
            let (len, from) = socket.recv_from(&mut query).await.unwrap();
            let query = Message::from_vec(query.get(..len).unwrap()).unwrap();
            let answer = answer(&query).to_vec().unwrap();
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    SrvResolver::with_name_servers([addr]).unwrap()
}

fn answer(query: &Message) -> Message {
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    let asked = query.queries.first().unwrap().clone();
    let records: &[(u16, u16, u16, &str)] = match asked.name().to_ascii().as_str() {
        "_mqtt._tcp.example.com." => &[
            (20, 0, 1883, "backup.example.com."),
            (10, 5, 1884, "b1.example.com."),
        ],
        "_secure-mqtt._tcp.example.com." => &[(0, 0, 8884, "b1.example.com.")],
        "_mqtt._tcp.none.example.com." => &[(0, 0, 0, ".")],
        _ => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            &[]
        }
    };
    for (priority, weight, port, target) in records {
        let target = Name::from_ascii(target).unwrap();
        let srv = SRV::new(*priority, *weight, *port, target);
        answer.add_answer(Record::from_rdata(
            asked.name().clone(),
            60,
            RData::SRV(srv),
        ));
    }
    answer.add_query(asked);
    answer
}

async fn servers(domain: &str, scheme: Scheme) -> Result<Vec<String>, SrvError> {
    let found = name_server().await.lookup(domain, scheme).await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn servers_come_in_the_order_of_their_priority() {
    let found = servers("example.com", Scheme::Mqtt).await.unwrap();
    assert_eq!(
        found,
        [
            "mqtt://b1.example.com:1884",
            "mqtt://backup.example.com:1883"
        ]
    );
}

#[tokio::test]
async fn encrypted_ones_have_records_of_their_own() {
    let found = servers("example.com.", Scheme::Mqtts).await.unwrap();
    assert_eq!(found, ["mqtts://b1.example.com:8884"]);
    let error = servers("example.com", Scheme::Ws).await.unwrap_err();
    assert!(
        matches!(error, SrvError::Scheme { scheme: Scheme::Ws }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_domain_without_servers_is_named() {
    for domain in ["none.example.com", "elsewhere.example"] {
        let error = servers(domain, Scheme::Mqtt).await.unwrap_err();
        assert!(matches!(error, SrvError::None { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("_mqtt._tcp.{domain}. has no servers")
        );
    }
}

#[test]
fn a_resolver_needs_a_name_server() {
    assert!(SrvResolver::with_name_servers([]).is_err());
}
