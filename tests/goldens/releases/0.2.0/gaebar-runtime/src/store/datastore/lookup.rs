//! Entities by their keys.

use std::collections::HashSet;

use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;

use super::connect::Client;
use crate::model::{Entity, Key};
use crate::store::StoreError;

/// The entities with these keys that exist. A server may put some off (`deferred`): those are asked for again.
pub(super) fn lookup(client: &Client, keys: &[&Key]) -> Result<Vec<Entity>, StoreError> {
    let home = &client.home;
    let action = match keys {
        [] => return Ok(Vec::new()),
        [key] => format!("look {key} up"),
        [first, .., last] => format!("look {} entities up, {first} to {last}", keys.len()),
    };
    let nonsense = |problem: String| StoreError::Nonsense { store: client.place.to_string(), action: action.clone(), problem };
    let mut asked: HashSet<&Key> = keys.iter().copied().collect();
    let mut wanted: Vec<_> = asked.iter().map(|key| home.key_to_proto(key)).collect();
    let mut found = Vec::new();
    while !wanted.is_empty() {
        let request = pb::LookupRequest {
            project_id: home.project.clone(),
            database_id: home.database.clone(),
            keys: wanted.clone(),
            ..pb::LookupRequest::default()
        };
        let answer = client.call(&action, &request, async |mut datastore, request| datastore.lookup(request).await)?;
        if answer.deferred.len() >= wanted.len() {
            return Err(nonsense("it put every key off".to_owned()));
        }
        for result in answer.found {
            let entity = result.entity.ok_or_else(|| nonsense("a result has no entity".to_owned()))?;
            let entity = home.entity_from_proto(entity).map_err(|source| StoreError::Answer {
                store: client.place.to_string(),
                action: action.clone(),
                source: Box::new(source),
            })?;
            if !asked.remove(entity.key()) {
                return Err(nonsense(format!("{} was not asked for", entity.key())));
            }
            found.push(entity);
        }
        wanted = answer.deferred;
    }
    Ok(found)
}
