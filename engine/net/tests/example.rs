//! The example in the documentation finds what is open.

use std::net::TcpListener;
use std::process::Command;

#[test]
fn the_example_finds_an_open_port_and_no_closed_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Examples are built beside the folder of the tests.
    let tests = std::env::current_exe().unwrap();
    let example = tests.ancestors().nth(2).unwrap().join("examples/open_ports");
    let output = Command::new(example).args(["127.0.0.1", &port.to_string()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("127.0.0.1:{port}/tcp")), "{said}");
    assert!(said.contains("1 open, 0 closed"), "{said}");
}
