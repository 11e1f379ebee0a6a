//! Sends finished files to the `upload_url` of a request. Only loopback addresses are contacted.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::Request;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Host, Position, Url};

use super::files::File;

const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);

type UploadError = Box<dyn std::error::Error + Send + Sync>;

/// Sends the file with PUT. A failed upload does not change the job.
pub(super) async fn put(url: &str, file: File) {
    let Ok(url) = Url::parse(url) else { return };
    let addresses = loopback(&url);
    if !addresses.is_empty() {
        let _ = tokio::time::timeout(UPLOAD_TIMEOUT, send(&url, &addresses, file)).await;
    }
}

async fn send(url: &Url, addresses: &[SocketAddr], file: File) -> Result<(), UploadError> {
    let size = file.size();
    let pieces = futures_util::stream::unfold((file, 0), move |(file, at)| async move {
        if at == size {
            return None;
        }
        let piece = file.piece(at, size - 1);
        let at = at + piece.len() as u64;
        Some((Ok::<_, Infallible>(Frame::data(piece)), (file, at)))
    });
    let request = Request::put(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONTENT_TYPE, "video/mp4")
        .header(CONTENT_LENGTH, size)
        .body(StreamBody::new(Box::pin(pieces)))?;
    let stream = TokioIo::new(TcpStream::connect(addresses).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await;
    connection.abort();
    response?;
    Ok(())
}

/// The loopback addresses of a plain HTTP URL; empty for any other URL.
fn loopback(url: &Url) -> Vec<SocketAddr> {
    let hosts: Vec<IpAddr> = match url.host() {
        Some(Host::Domain("localhost")) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Some(Host::Ipv4(host)) => vec![host.into()],
        Some(Host::Ipv6(host)) => vec![host.into()],
        _ => Vec::new(),
    };
    let port = url.port_or_known_default().filter(|_| url.scheme() == "http");
    let is_loopback = |host: &IpAddr| host.is_loopback();
    port.map_or_else(Vec::new, |port| {
        hosts.into_iter().filter(is_loopback).map(|host| SocketAddr::new(host, port)).collect()
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_loopback_addresses_are_contacted() {
        let cases = [
            ("http://127.0.0.1:80/a", 1),
            ("http://127.9.9.9/a", 1),
            ("http://[::1]:8/a", 1),
            ("http://localhost/a", 2),
            ("https://127.0.0.1/a", 0),
            ("http://10.0.0.1/a", 0),
            ("http://0.0.0.0/a", 0),
            ("http://[::]/a", 0),
            ("http://localhost.a.example/a", 0),
            ("http://a.example/a", 0),
        ];
        for (url, expected) in cases {
            assert_eq!(loopback(&Url::parse(url).unwrap()).len(), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn the_whole_file_is_uploaded() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let other_end = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            loop {
                let head = received.windows(4).position(|bytes| bytes == b"\r\n\r\n");
                if head.is_some_and(|head| received.len() == head + 4 + 200_000) {
                    break;
                }
                assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "the end came too early");
            }
            stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            received
        });
        let file = File::of("job", "1:1", 2, Some(200_000));
        put(&format!("http://localhost:{port}/bucket/a.mp4?sig=a%2Fb#top"), file).await;
        let received = other_end.await.unwrap();
        let head = String::from_utf8_lossy(&received[..received.len() - 200_000]).to_lowercase();
        assert!(head.starts_with("put /bucket/a.mp4?sig=a%2fb http/1.1\r\n"), "{head}");
        for line in [&format!("host: localhost:{port}"), "content-type: video/mp4", "content-length: 200000"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
        }
        assert_eq!(&received[received.len() - 200_000..][4..8], b"ftyp");
    }
}
