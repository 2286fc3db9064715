//! A remote whose certificate is refused: why, and what to do.

use std::error::Error;
use std::io;

use gaebar_runtime::visible::visible;
use rustls::CertificateError::{self, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer};
use rustls::CertificateError::{NotValidYet, NotValidYetContext};

use super::PullError;

/// What is told of an error that comes from a certificate; `None` if it comes from something else.
pub(super) fn refused(url: &str, error: &(dyn Error + 'static)) -> Option<PullError> {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    let certificate = causes.find_map(of_certificate)?;
    let (problem, next) = match certificate {
        UnknownIssuer => (
            "it is signed by nobody whom this machine trusts".to_owned(),
            "if it is yours, name the file of the authority that signed it in SSL_CERT_FILE, or add that to the system's certificates",
        ),
        Expired | ExpiredContext { .. } => ("it has expired".to_owned(), "renew it there, or set the clock here"),
        NotValidYet | NotValidYetContext { .. } => ("it is not valid yet".to_owned(), "set the clock here or there"),
        NotValidForNameContext { presented, .. } => (
            format!("it is for {}", presented.join(", ")),
            "give the address with the name that it is for, or have one made for this name",
        ),
        NotValidForName => ("it is for another host".to_owned(), "give the address with the name that it is for"),
        other => (other.to_string(), "have another one made"),
    };
    Some(PullError::Certificate { url: url.to_owned(), problem: visible(&problem), next })
}

/// The part of an error that is about a certificate. An I/O error does not count what it wraps among its causes, and may wrap another.
fn of_certificate<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return of_certificate(wrapped);
    }
    match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}
