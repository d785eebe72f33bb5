//! The example does what its comments say.

#[path = "../../examples/no_runtime.rs"]
mod no_runtime;

#[test]
fn a_client_and_a_server_without_a_runtime_understand_each_other() {
    no_runtime::main().unwrap();
}
