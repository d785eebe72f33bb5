//! `mqtt ctl refusals`.

use mqtt_admin::{List, RefusalEntry, Request};
use serde_json::Value;

use super::{
    Ctl, failure,
    print::{Table, ago},
    say,
};
use crate::exit::Failure;

impl Ctl {
    /// The last refusals, the newest at the end.
    pub(super) fn refusals(
        &mut self,
        client_id: Option<String>,
        limit: usize,
    ) -> Result<(), Failure> {
        let request = Request::Refusals { client_id, limit };
        let list: List<Value> = self.client.ask(&request).map_err(failure)?;
        let mut table = Table::new(&[
            "REF",
            "WHEN",
            "TIMES",
            "CLIENT",
            "USER",
            "WANTED",
            "TOPIC",
            "DECIDED BY",
        ]);
        self.print_items(list.items, &mut table, |one: RefusalEntry| {
            [
                one.reference,
                ago(one.at_s),
                one.times.to_string(),
                one.client_id,
                one.username.unwrap_or_else(|| "-".to_owned()),
                one.action,
                one.topic,
                one.ground,
            ]
        })?;
        self.end_list(&table);
        Ok(())
    }

    /// The one with this reference.
    pub(super) fn refusal(&mut self, text: String) -> Result<(), Failure> {
        let reference = bare(&text).to_ascii_lowercase();
        let request = Request::Refusal { reference };
        if self.is_json {
            return self.pass_on(&request);
        }
        let one: RefusalEntry = self.client.ask(&request).map_err(failure)?;
        let mut table = Table::new(&[]);
        let rows = [
            ("reference", one.reference),
            ("client", one.client_id),
            ("user", one.username.unwrap_or_else(|| "-".to_owned())),
            ("from", one.peer),
            ("wanted to", one.action),
            ("topic", one.topic),
            ("decided by", one.ground),
            ("reason code", format!("0x{:02x}", one.reason)),
            ("times", one.times.to_string()),
            ("last", ago(one.at_s)),
        ];
        for (name, value) in rows {
            table.row([name.to_owned(), value]);
        }
        say(&table.to_string());
        Ok(())
    }
}

/// The reference in what the client was told, which may be given whole: `not authorized (ref 8f3a21)`.
fn bare(text: &str) -> &str {
    let text = text.trim().trim_end_matches(')');
    text.rsplit([' ', '(']).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_may_come_with_the_words_around_it() {
        for text in [
            "8f3a21",
            " 8f3a21\n",
            "ref 8f3a21",
            "not authorized (ref 8f3a21)",
        ] {
            assert_eq!(bare(text), "8f3a21");
        }
    }
}
