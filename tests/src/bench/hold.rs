//! A client that opens connections, exchanges one message on each and keeps them open until its standard input ends.

use std::io::{Read, Write, stdin, stdout};
use std::net::{SocketAddr, TcpStream};

use clap::Args;

use crate::lab::{Failure, KEY, failed};

/// What to open.
#[derive(Args)]
pub struct Options {
    /// The server
    #[arg(long)]
    to: SocketAddr,
    /// Connections
    #[arg(long)]
    connections: u32,
}

/// Opens them, says so, and waits.
pub fn connections(options: &Options) -> Result<(), Failure> {
    let request =
        format!("GET /v1/widgets/42 HTTP/1.1\r\nHost: api.example\r\nX-Api-Key: {KEY}\r\n\r\n");
    let mut open = Vec::with_capacity(options.connections as usize);
    let mut answer = [0; 2048];
    for _ in 0..options.connections {
        let mut stream = TcpStream::connect(options.to).map_err(failed("connecting"))?;
        stream
            .write_all(request.as_bytes())
            .map_err(failed("a request"))?;
        let count = stream.read(&mut answer).map_err(failed("a response"))?;
        if count == 0 {
            return Err(Failure::new(
                "a response",
                "the server closed the connection",
            ));
        }
        open.push(stream);
    }
    println!("open");
    stdout().flush().map_err(failed("saying so"))?;
    let _ = stdin().read_to_end(&mut Vec::new());
    Ok(())
}
