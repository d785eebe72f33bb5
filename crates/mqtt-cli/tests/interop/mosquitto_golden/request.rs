//! Every flag of `mosquitto_rr`. Each request is its own response: it is published where the response is awaited.

use super::Golden;

#[test]
fn flags_that_change_what_is_sent_or_printed() {
    let golden = Golden::new("rr");
    for flags in [
        "",
        "-v",
        "-N",
        "-v -N",
        "-q 1 -F %q|%l",
        "-q 2 -F %q|%l",
        "-V mqttv311",
        "-V mqttv31",
        "-V mqttv5",
        "-F %t|%p|%R|%D|%r",
        "-F %j",
        "-F %j --pretty",
        "-F %j -V 311",
        "-D publish correlation-data cd -F %D|%R",
        "-D publish user-property a b -F %P",
        "-D subscribe user-property a b",
        "-D connect user-property a b",
        "-i c1",
        "-I prefix",
        "-k 10",
        "-W 20",
        "-R",
        "--quiet",
        "-c -i keeps",
        "-x 10 -i expires",
        "-u somebody -P secret",
        "--will-topic w --will-payload gone --will-qos 1 --will-retain",
        "-h 127.0.0.1",
    ] {
        golden.same_line(&format!("-t self -e self -m ask {flags}"));
    }
    golden.same_line("-t self -e self -n -v");
    golden.same_line("-t self -e self -n");
    golden.same_line("-t nobody -e answer -m ask -W 1");
}

#[test]
fn mistakes() {
    let golden = Golden::new("rr");
    golden.same(&[]);
    for mistake in [
        "-t a",
        "-t a -e b",
        "-t a -m x",
        "-t a -e b/# -m x",
        "-t a/# -e b -m x",
        "-t a -e b -m x -n",
        "-t a -e b -m x -D publish response-topic c",
        "-t a -e b -m x -q 3",
        "-t a -e b -m x -F %z",
        "-t a -e b -m x -C 1",
        "-t a -e b -m x -T a",
        "-t a -e b -m x -W 0",
        "-t a -e b -m x --nope",
        "-t a -e b -m x -p 1",
    ] {
        golden.same_line(mistake);
    }
}
