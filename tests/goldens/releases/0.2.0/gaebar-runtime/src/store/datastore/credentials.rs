//! Who asks: access tokens of Google's application default credentials.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use gcp_auth::{ConfigDefaultCredentials, TokenProvider};
use tonic::Status;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use super::connect::causes;

const SCOPE: &str = "https://www.googleapis.com/auth/datastore";
/// Finding credentials may ask the metadata server of a virtual machine, which elsewhere nobody answers for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do when there are no credentials.
pub(super) const NEXT: &str = "run `gcloud auth application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS name a \
                               service account's key file; DATASTORE_EMULATOR_HOST=HOST:PORT means an emulator instead";

/// Where tokens come from, and who pays.
pub(super) struct Credentials {
    provider: Arc<dyn TokenProvider>,
    quota_project: Option<AsciiMetadataValue>,
}

impl Credentials {
    /// Google's application default credentials. The error says why there are none.
    pub(super) async fn find() -> Result<Self, String> {
        match tokio::time::timeout(PATIENCE, search()).await {
            Ok(found) => {
                let (provider, project) = found?;
                let project = env::var("GOOGLE_CLOUD_QUOTA_PROJECT").ok().or(project);
                Ok(Self { provider, quota_project: project.and_then(|project| project.parse().ok()) })
            }
            Err(_) => Err(format!("no credentials were found within {} s", PATIENCE.as_secs())),
        }
    }

    #[cfg(all(test, feature = "cli"))]
    pub(super) fn new(provider: Arc<dyn TokenProvider>) -> Self {
        Self { provider, quota_project: None }
    }

    /// Adds the token to a request. An error never holds one.
    pub(super) async fn sign(&self, metadata: &mut MetadataMap) -> Result<(), Status> {
        let token = self.provider.token(&[SCOPE]).await.map_err(|error| match error {
            // The token server could not be reached; the provider itself tried a few times within a second.
            gcp_auth::Error::Http(..) | gcp_auth::Error::Other(..) => {
                Status::unavailable(format!("no access token: {}", causes(&error)))
            }
            error => Status::unauthenticated(format!("no access token: {}; {NEXT}", causes(&error))),
        })?;
        let mut bearer = AsciiMetadataValue::try_from(format!("Bearer {}", token.as_str()))
            .map_err(|_| Status::unauthenticated("the access token is no header value"))?;
        bearer.set_sensitive(true);
        metadata.insert("authorization", bearer);
        if let Some(project) = &self.quota_project {
            metadata.insert("x-goog-user-project", project.clone());
        }
        Ok(())
    }
}

/// A provider, and the project that a user's own credentials bill: the API refuses such credentials without one.
async fn search() -> Result<(Arc<dyn TokenProvider>, Option<String>), String> {
    if env::var_os("GOOGLE_APPLICATION_CREDENTIALS").is_none()
        && let Ok(user) = ConfigDefaultCredentials::new().await
    {
        let project = user.project_id().await.ok().map(|project| project.to_string());
        return Ok((Arc::new(user), project));
    }
    match gcp_auth::provider().await {
        Ok(provider) => Ok((provider, None)),
        Err(gcp_auth::Error::NoAuthMethod(..)) => Err("no credentials were found".to_owned()),
        Err(error) => Err(format!("the credentials can't be used: {}", causes(&error))),
    }
}

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests {
    use std::pin::Pin;

    use gcp_auth::{Error, Token};
    use tonic::Code;

    use super::*;

    /// Gives out one token, or an error.
    struct Fake(Option<&'static str>);

    // What `#[async_trait]` makes of `async fn`.
    type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Arc<T>, Error>> + Send + 'a>>;

    impl TokenProvider for Fake {
        fn token<'a, 'b, 'c, 'd>(&'a self, scopes: &'b [&'c str]) -> Answer<'d, Token>
        where
            'a: 'd,
            'b: 'd,
            'c: 'd,
            Self: 'd,
        {
            assert_eq!(scopes, [SCOPE]);
            Box::pin(async {
                let token = self.0.ok_or(Error::Str("token request failed"))?;
                Ok(Arc::new(serde_json::from_str(&format!(r#"{{"access_token":"{token}","expires_in":60}}"#)).unwrap()))
            })
        }

        fn project_id<'a, 'd>(&'a self) -> Answer<'d, str>
        where
            'a: 'd,
            Self: 'd,
        {
            Box::pin(async { Err(Error::Str("none")) })
        }
    }

    fn sign(token: Option<&'static str>) -> (MetadataMap, Result<(), Status>) {
        let mut metadata = MetadataMap::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let signed = runtime.block_on(Credentials::new(Arc::new(Fake(token))).sign(&mut metadata));
        (metadata, signed)
    }

    #[test]
    fn a_token_goes_into_the_header_and_never_into_text() {
        let (metadata, signed) = sign(Some("s3cret"));
        assert!(signed.is_ok());
        assert_eq!(metadata.get("authorization").unwrap().to_str().unwrap(), "Bearer s3cret");
        assert!(!format!("{metadata:?}").contains("s3cret"));

        let (metadata, signed) = sign(Some("s3cret\\n"));
        assert!(metadata.is_empty() && !format!("{signed:?}").contains("s3cret"));
    }

    #[test]
    fn without_a_token_the_next_step_is_named_and_nothing_is_tried_again() {
        let (_, signed) = sign(None);
        let status = signed.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(status.message().contains("gcloud auth application-default login"), "{status}");
        assert_eq!(super::super::retry::patience(&status, false), None);
    }
}
