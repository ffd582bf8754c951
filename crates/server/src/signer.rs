//! Signing tokens without holding up other requests.

use secret::SecretString;
use serde::Serialize;
use token::Algorithm;

use crate::{Context, Error};

impl Context {
    /// Signs claims with the current key. An RSA signature takes most of a millisecond of pure computing, so those are
    /// made beside the threads that serve requests, and never more at once than there are cores.
    pub(crate) async fn sign<T>(&self, claims: T) -> Result<SecretString, Error>
    where
        T: Serialize + Send + 'static,
    {
        let signing = self.signing().await?;
        let signed = if signing.key.algorithm() == Algorithm::Rs256 {
            // The semaphore is never closed, and a signature does not panic.
            let _turn = self.signers.acquire().await;
            tokio::task::spawn_blocking(move || signing.key.sign(&claims))
                .await
                .map_err(|cause| Error::internal(&cause))?
        } else {
            signing.key.sign(&claims)
        };
        signed.map_err(|cause| Error::internal(&cause))
    }
}
