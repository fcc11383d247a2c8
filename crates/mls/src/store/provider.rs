//! OpenMLS's `StorageProvider`, version 1, over the two shards: which method reads or writes which row.

use std::sync::MutexGuard;

use openmls_traits::storage::{traits, StorageProvider, CURRENT_VERSION};
use serde::de::DeserializeOwned;
use serde::Serialize;

use super::{Shard, Store};
use crate::codec::{decode, encode, CodecError};
use crate::guard::hold;

type Stored<T> = Result<T, CodecError>;

/// `label/hex/hex`: no content of ours can look like the mark that `piece` puts into a key.
fn key(label: &str, ids: &[&[u8]]) -> Vec<u8> {
    let mut key = label.as_bytes().to_vec();
    for id in ids {
        key.push(b'/');
        for byte in *id {
            key.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
    }
    key
}

fn read<T: DeserializeOwned>(shard: MutexGuard<'_, Shard>, key: &[u8]) -> Stored<Option<T>> {
    shard.get(key).map(|value| decode(&value)).transpose()
}

impl Store {
    fn put_group<T: Serialize>(&self, key: Vec<u8>, value: &T) -> Stored<()> {
        let value = encode(value)?;
        hold(&self.group).put(key, value);
        Ok(())
    }

    fn put_client<K: Serialize, T: Serialize>(&self, label: &str, id: &K, value: &T) -> Stored<()> {
        let (id, value) = (encode(id)?, encode(value)?);
        hold(&self.client).put(key(label, &[&id]), value);
        Ok(())
    }

    fn list(&self, label: &str) -> Stored<Vec<Vec<u8>>> {
        Ok(read(hold(&self.group), &key(label, &[]))?.unwrap_or_default())
    }

    /// Whether the private keys of a leaf's path are there. OpenMLS takes their absence for an empty list.
    pub fn has_epoch_keys<E: Serialize>(&self, epoch: &E, leaf: u32) -> Stored<bool> {
        Ok(hold(&self.group).get(&epoch_key(epoch, leaf)?).is_some())
    }

    fn proposal_key(reference: &[u8]) -> Vec<u8> {
        key("proposal", &[reference])
    }
}

fn epoch_key<E: Serialize>(epoch: &E, leaf: u32) -> Stored<Vec<u8>> {
    Ok(key("epoch_keys", &[&encode(epoch)?, &leaf.to_be_bytes()]))
}

macro_rules! write_group {
    ($($method:ident $kind:ident $label:literal;)*) => {
        $(fn $method<G: traits::GroupId<CURRENT_VERSION>, T: traits::$kind<CURRENT_VERSION>>(
            &self,
            _: &G,
            value: &T,
        ) -> Stored<()> {
            self.put_group(key($label, &[]), value)
        })*
    };
}

macro_rules! read_group {
    ($($method:ident $kind:ident $label:literal;)*) => {
        $(fn $method<G: traits::GroupId<CURRENT_VERSION>, T: traits::$kind<CURRENT_VERSION>>(
            &self,
            _: &G,
        ) -> Stored<Option<T>> {
            read(hold(&self.group), &key($label, &[]))
        })*
    };
}

macro_rules! delete_group {
    ($($method:ident $label:literal;)*) => {
        $(fn $method<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Stored<()> {
            hold(&self.group).delete(key($label, &[]));
            Ok(())
        })*
    };
}

macro_rules! write_client {
    ($($method:ident $id:ident $kind:ident $label:literal;)*) => {
        $(fn $method<K: traits::$id<CURRENT_VERSION>, T: traits::$kind<CURRENT_VERSION>>(
            &self,
            id: &K,
            value: &T,
        ) -> Stored<()> {
            self.put_client($label, id, value)
        })*
    };
}

macro_rules! read_client {
    ($($method:ident<$($name:ident: $kind:ident),*> $label:literal;)*) => {
        $(fn $method<$($name: traits::$kind<CURRENT_VERSION>),*>(&self, id: &K) -> Stored<Option<T>> {
            read(hold(&self.client), &key($label, &[&encode(id)?]))
        })*
    };
}

macro_rules! delete_client {
    ($($method:ident $id:ident $label:literal;)*) => {
        $(fn $method<K: traits::$id<CURRENT_VERSION>>(&self, id: &K) -> Stored<()> {
            let id = encode(id)?;
            hold(&self.client).delete(key($label, &[&id]));
            Ok(())
        })*
    };
}

impl StorageProvider<CURRENT_VERSION> for Store {
    type Error = CodecError;

    write_group! {
        write_mls_join_config MlsGroupJoinConfig "config";
        write_tree TreeSync "tree";
        write_interim_transcript_hash InterimTranscriptHash "transcript";
        write_context GroupContext "context";
        write_confirmation_tag ConfirmationTag "tag";
        write_message_secrets MessageSecrets "message_secrets";
        write_resumption_psk_store ResumptionPskStore "resumption";
        write_own_leaf_index LeafNodeIndex "own_index";
        write_group_epoch_secrets GroupEpochSecrets "epoch_secrets";
    }

    // The trait names these two parameters in the other order.
    fn write_group_state<T: traits::GroupState<CURRENT_VERSION>, G: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &G,
        value: &T,
    ) -> Stored<()> {
        self.put_group(key("state", &[]), value)
    }

    fn group_state<T: traits::GroupState<CURRENT_VERSION>, G: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &G,
    ) -> Stored<Option<T>> {
        read(hold(&self.group), &key("state", &[]))
    }

    read_group! {
        mls_group_join_config MlsGroupJoinConfig "config";
        tree TreeSync "tree";
        interim_transcript_hash InterimTranscriptHash "transcript";
        group_context GroupContext "context";
        confirmation_tag ConfirmationTag "tag";
        message_secrets MessageSecrets "message_secrets";
        resumption_psk_store ResumptionPskStore "resumption";
        own_leaf_index LeafNodeIndex "own_index";
        group_epoch_secrets GroupEpochSecrets "epoch_secrets";
    }

    delete_group! {
        delete_group_config "config";
        delete_tree "tree";
        delete_interim_transcript_hash "transcript";
        delete_context "context";
        delete_confirmation_tag "tag";
        delete_group_state "state";
        delete_message_secrets "message_secrets";
        delete_all_resumption_psk_secrets "resumption";
        delete_own_leaf_index "own_index";
        delete_group_epoch_secrets "epoch_secrets";
        delete_own_leaf_nodes "own_leaves";
    }

    write_client! {
        write_signature_key_pair SignaturePublicKey SignatureKeyPair "signature_key";
        write_encryption_key_pair EncryptionKey HpkeKeyPair "encryption_key";
        write_key_package HashReference KeyPackage "key_package";
        write_psk PskId PskBundle "psk";
    }

    read_client! {
        signature_key_pair<K: SignaturePublicKey, T: SignatureKeyPair> "signature_key";
        encryption_key_pair<T: HpkeKeyPair, K: EncryptionKey> "encryption_key";
        key_package<K: HashReference, T: KeyPackage> "key_package";
        psk<T: PskBundle, K: PskId> "psk";
    }

    delete_client! {
        delete_signature_key_pair SignaturePublicKey "signature_key";
        delete_encryption_key_pair EncryptionKey "encryption_key";
        delete_key_package HashReference "key_package";
        delete_psk PskId "psk";
    }

    fn append_own_leaf_node<G: traits::GroupId<CURRENT_VERSION>, T: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        _: &G,
        leaf: &T,
    ) -> Stored<()> {
        let mut leaves = self.list("own_leaves")?;
        leaves.push(encode(leaf)?.to_vec());
        self.put_group(key("own_leaves", &[]), &leaves)
    }

    fn own_leaf_nodes<G: traits::GroupId<CURRENT_VERSION>, T: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        _: &G,
    ) -> Stored<Vec<T>> {
        self.list("own_leaves")?.iter().map(|leaf| decode(leaf)).collect()
    }

    fn queue_proposal<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        P: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        reference: &R,
        proposal: &P,
    ) -> Stored<()> {
        let reference = encode(reference)?.to_vec();
        self.put_group(Self::proposal_key(&reference), proposal)?;
        let mut references = self.list("proposals")?;
        if !references.contains(&reference) {
            references.push(reference);
        }
        self.put_group(key("proposals", &[]), &references)
    }

    fn queued_proposal_refs<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        _: &G,
    ) -> Stored<Vec<R>> {
        self.list("proposals")?.iter().map(|reference| decode(reference)).collect()
    }

    fn queued_proposals<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        P: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
    ) -> Stored<Vec<(R, P)>> {
        self.list("proposals")?
            .iter()
            .map(|reference| {
                let proposal = read(hold(&self.group), &Self::proposal_key(reference))?;
                Ok((decode(reference)?, proposal.ok_or_else(|| CodecError("a queued proposal is missing".into()))?))
            })
            .collect()
    }

    fn remove_proposal<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        _: &G,
        reference: &R,
    ) -> Stored<()> {
        let reference = encode(reference)?.to_vec();
        let mut references = self.list("proposals")?;
        references.retain(|known| *known != reference);
        hold(&self.group).delete(Self::proposal_key(&reference));
        self.put_group(key("proposals", &[]), &references)
    }

    fn clear_proposal_queue<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        _: &G,
    ) -> Stored<()> {
        let references = self.list("proposals")?;
        let mut shard = hold(&self.group);
        for reference in references {
            shard.delete(Self::proposal_key(&reference));
        }
        shard.delete(key("proposals", &[]));
        Ok(())
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        T: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[T],
    ) -> Stored<()> {
        self.put_group(epoch_key(epoch, leaf)?, &pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        T: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        epoch: &E,
        leaf: u32,
    ) -> Stored<Vec<T>> {
        Ok(read(hold(&self.group), &epoch_key(epoch, leaf)?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<CURRENT_VERSION>, E: traits::EpochKey<CURRENT_VERSION>>(
        &self,
        _: &G,
        epoch: &E,
        leaf: u32,
    ) -> Stored<()> {
        let pairs = epoch_key(epoch, leaf)?;
        hold(&self.group).delete(pairs);
        Ok(())
    }
}
