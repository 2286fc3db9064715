//! Pulls over HTTPS: from whom this machine trusts, and from nobody else.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gaebar_tests::command::{gaebar, run};
use gaebar_tests::proxy::{Proxy, Raw};
use gaebar_tests::serve::{Serving, TOKEN};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{backup, served};

/// Somebody who signs certificates, and whose own certificate is in a file.
fn authority(file: &Path) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // Each has a name of its own, by which it is found.
    params.distinguished_name.push(DnType::CommonName, file.file_stem().unwrap().to_str().unwrap());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
    Issuer::new(params, key)
}

/// A certificate for a host, which is valid until this year.
fn certificate(host: &str, year: i32, authority: &Issuer<KeyPair>) -> (Certificate, KeyPair) {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A server behind one that speaks TLS.
fn secure(server: &Serving, (certificate, key): (Certificate, KeyPair), change: fn(&str, Raw) -> Raw) -> Proxy {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.into()], key.into()).unwrap());
    Proxy::through(server.address, change, move |mut client: TcpStream| {
        let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut client).ok()?;
        }
        Some(StreamOwned::new(connection, client))
    })
}

/// A pull from a port of this machine, which trusts who is in a file.
fn pull(folder: &Path, proxy: &Proxy, trusted: &str) -> Command {
    let url = format!("https://localhost:{}", proxy.address.port());
    let mut command = gaebar(folder, &["pull", &url, "production", "here/production"]);
    command.env("GAEBAR_TOKEN", TOKEN).env("SSL_CERT_FILE", folder.join(trusted)).env_remove("SSL_CERT_DIR");
    command
}

fn as_it_is(_: &str, raw: Raw) -> Raw {
    raw
}

#[test]
fn a_backup_comes_from_whom_this_machine_trusts_and_from_nobody_else() {
    let (folder, served) = served("pull-https");
    let ours = authority(&folder.join("ours.pem"));
    let theirs = authority(&folder.join("theirs.pem"));
    fs::write(folder.join("empty.pem"), "").unwrap();
    let refused = [
        ("signed by nobody whom this machine trusts", "SSL_CERT_FILE", certificate("localhost", 2100, &theirs), "ours.pem"),
        ("it has expired", "renew it there", certificate("localhost", 2021, &ours), "ours.pem"),
        ("it is for ", "give the address with the name", certificate("backups.example.com", 2100, &ours), "ours.pem"),
        ("https:// needs the certificates", "ca-certificates", certificate("localhost", 2100, &ours), "empty.pem"),
        ("https:// needs the certificates", "ca-certificates", certificate("localhost", 2100, &ours), "missing.pem"),
    ];
    for (problem, next, certificate, trusted) in refused {
        let server = secure(&served, certificate, as_it_is);
        let (_, told) = run(&mut pull(&folder, &server, trusted), 1);
        assert!(told.contains(problem) && told.contains(next), "{problem:?} is not told: {told}");
        assert!(server.asked().is_empty() && !folder.join("here/production").exists(), "{problem}: {:?}", server.asked());
    }
    // From HTTPS, nothing leads to HTTP.
    let downgrading = secure(&served, certificate("localhost", 2100, &ours), |_, _| {
        gaebar_tests::proxy::answer("301 Moved Permanently", "Location: http://localhost/\r\n", b"")
    });
    let (_, told) = run(&mut pull(&folder, &downgrading, "ours.pem"), 1);
    assert!(told.contains("leads elsewhere, to http://localhost/"), "{told}");

    let server = secure(&served, certificate("localhost", 2100, &ours), as_it_is);
    run(&mut pull(&folder, &server, "ours.pem"), 0);
    assert!(backup(&folder.join("here/production")) == backup(&folder.join("backups/production")));
    assert!(server.asked().len() > 80, "it did not come through it");
    run(&mut gaebar(&folder, &["verify", "here/production"]), 0);
    // Without https://, none is needed.
    let url = format!("http://{}", served.address);
    let mut plain = gaebar(&folder, &["pull", &url, "production", "here/plain"]);
    run(plain.env("GAEBAR_TOKEN", TOKEN).env("SSL_CERT_FILE", folder.join("missing.pem")), 0);
}
