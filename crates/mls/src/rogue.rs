//! What a member can do who runs OpenMLS without this crate's rules, and what the others make of it.

use std::sync::Arc;

use openmls::prelude::*;
use openmls_traits::signatures::Signer;

use crate::client::{create, Identity};
use crate::context;
use crate::crypto::{Provider, Tap};
use crate::error::{Code, Result};
use crate::group::{commit, process, Group, Live, Received, Wanted};
use crate::keypackage::{decode_to_add_untrusted, make};
use crate::profile::{self, CLASSICAL, CONTEXT_EXTENSION};
use crate::store::{Shard, Store};
use crate::welcome;

struct Member {
    identity: Arc<Identity>,
    group: Group,
}

fn identity(number: u8) -> Arc<Identity> {
    Identity::new(&[number], &[number; 32], Shard::default()).unwrap()
}

/// Two members at epoch 1.
fn pair() -> (Member, Member) {
    let (ada, bo) = (identity(1), identity(2));
    let founded = create(&ada, b"group", b"room", CLASSICAL).unwrap();
    let package = make(&bo, CLASSICAL, false).unwrap();
    let wanted = Wanted { add: vec![&package.wire], remove: vec![], extension: None, path: false, aad: b"" };
    let (welcome, tree) = founded
        .core
        .attempt(|live| {
            commit(&ada, live, wanted)?;
            let tap = Tap::on(&ada.crypto);
            live.mls.merge_pending_commit(&Provider { tap: &tap, store: &live.store })?;
            let tree = tls_codec::Serialize::tls_serialize_detached(&live.mls.export_ratchet_tree()).unwrap();
            Ok((live.made.clone().unwrap().welcome.unwrap(), tree))
        })
        .unwrap();
    let joined = welcome::stage(&bo, &welcome, &tree).unwrap().enter().unwrap();
    (Member { identity: ada, group: founded }, Member { identity: bo, group: joined })
}

impl Member {
    /// Do with OpenMLS whatever it allows.
    fn rogue<T>(&self, act: impl FnOnce(&mut Live, &Tap<'_>, &Key) -> T) -> T {
        let key = Key(self.identity.clone());
        self.group.core.attempt(|live| Ok(act(live, &Tap::on(&self.identity.crypto), &key))).unwrap()
    }

    fn process(&self, message: &[u8]) -> Result<Received> {
        self.group.core.attempt(|live| process(&self.group.core, live, message))
    }

    fn code(&self, message: &[u8]) -> Code {
        let Err(refusal) = self.process(message) else { panic!("accepted") };
        refusal.code
    }

    fn says(&self, text: &[u8]) -> Vec<u8> {
        self.rogue(|live, tap, key| {
            let provider = Provider { tap, store: &live.store };
            live.mls.create_message(&provider, key, text).unwrap().to_bytes().unwrap()
        })
    }
}

struct Key(Arc<Identity>);

impl Signer for Key {
    fn sign(&self, payload: &[u8]) -> std::result::Result<Vec<u8>, openmls_traits::signatures::SignerError> {
        self.0.key.signer(&Tap::on(&self.0.crypto)).sign(payload)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

fn replace_context(rogue: &Member, list: Vec<Extension>) -> Vec<u8> {
    rogue.rogue(|live, tap, key| {
        let builder = live.mls.commit_builder().propose_group_context_extensions(Extensions::from_vec(list).unwrap());
        let bundle = builder
            .unwrap()
            .load_psks(&live.store)
            .unwrap()
            .build(tap.rand(), tap, key, |_| true)
            .unwrap()
            .stage_commit(&Provider { tap, store: &live.store })
            .unwrap();
        bundle.into_commit().to_bytes().unwrap()
    })
}

#[test]
fn external_senders_cannot_be_smuggled_in_beside_a_new_name() {
    let (ada, bo) = pair();
    let mut list: Vec<Extension> = context::extensions(b"new name").unwrap().iter().cloned().collect();
    let credential = Credential::new(profile::credential_type(), b"outsider".to_vec());
    list.push(Extension::ExternalSenders(vec![ExternalSender::new(vec![7; 32].into(), credential)]));
    let commit = replace_context(&bo, list);
    let before = ada.says(b"before");
    assert_eq!(ada.code(&commit), Code::RefusedProposal);
    // Refused again, not "reused": the ratchet is as it was.
    assert_eq!(ada.code(&commit), Code::RefusedProposal);
    assert!(matches!(bo.process(&before), Ok(Received::Application(_))));
}

#[test]
fn a_group_cannot_lose_what_makes_it_a_coterie_group() {
    let name = Extension::Unknown(CONTEXT_EXTENSION, UnknownExtension(b"name".to_vec()));
    let laxer = RequiredCapabilitiesExtension::new(&[ExtensionType::Unknown(CONTEXT_EXTENSION)], &[], &[]);
    let strict: Vec<Extension> = context::extensions(b"name").unwrap().iter().cloned().collect();
    let nameless = strict.into_iter().filter(|extension| *extension != name).collect();
    for list in [vec![], nameless, vec![Extension::RequiredCapabilities(laxer), name]] {
        let (ada, bo) = pair();
        assert_eq!(ada.code(&replace_context(&bo, list)), Code::RefusedProposal);
    }
}

#[test]
fn a_handshake_in_clear_is_malformed_even_from_a_member() {
    let (ada, bo) = pair();
    let wire = bo.rogue(|live, tap, key| {
        let plain = MlsGroupJoinConfig::builder().wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY).build();
        live.mls.set_configuration(&live.store, &plain).unwrap();
        let provider = Provider { tap, store: &live.store };
        let bundle = live.mls.self_update(&provider, key, LeafNodeParameters::default()).unwrap();
        bundle.into_commit().to_bytes().unwrap()
    });
    assert_eq!(ada.code(&wire), Code::Malformed);
}

#[test]
fn an_outsider_with_a_leaked_group_info_cannot_commit_itself_in() {
    let (ada, bo) = pair();
    let info = bo.rogue(|live, tap, key| live.mls.export_group_info(tap, key, true).unwrap());
    let MlsMessageBodyIn::GroupInfo(info) = MlsMessageIn::from(info).extract() else { panic!("no GroupInfo") };
    let outsider = identity(9);
    let tap = Tap::on(&outsider.crypto);
    let store = Store::for_group(&outsider.shard, Shard::default());
    let provider = Provider { tap: &tap, store: &store };
    let capabilities = LeafNodeParameters::builder().with_capabilities(profile::capabilities().unwrap()).build();
    let (_, bundle) = MlsGroup::external_commit_builder()
        .with_config(profile::join_config())
        .build_group(&provider, info, outsider.credential.clone())
        .unwrap()
        .leaf_node_parameters(capabilities)
        .load_psks(&store)
        .unwrap()
        .build(tap.rand(), &tap, &outsider.key.signer(&tap), |_| true)
        .unwrap()
        .finalize(&provider)
        .unwrap();
    assert_eq!(ada.code(&bundle.into_commit().to_bytes().unwrap()), Code::Malformed);
}

#[test]
fn a_proposal_alone_is_shown_and_a_commit_that_refers_to_it_is_refused() {
    let (ada, bo) = pair();
    let (proposal, commit) = bo.rogue(|live, tap, key| {
        let package = make(&identity(3), CLASSICAL, false).unwrap();
        let package = decode_to_add_untrusted(&package.wire, live.mls.ciphersuite(), tap).unwrap();
        let provider = Provider { tap, store: &live.store };
        let (proposal, _) = live.mls.propose_add_member(&provider, key, &package).unwrap();
        let (commit, _, _) = live.mls.commit_to_pending_proposals(&provider, key).unwrap();
        (proposal.to_bytes().unwrap(), commit.to_bytes().unwrap())
    });
    let Ok(Received::Proposal(shown)) = ada.process(&proposal) else { panic!("not a proposal") };
    assert_eq!((shown.kind, shown.sender.index), ("add", 1));
    assert_eq!(ada.code(&commit), Code::RefusedProposal);
}

#[test]
fn a_committer_that_takes_anothers_name_is_shown_with_it() {
    let (ada, bo) = pair();
    let wire = bo.rogue(|live, tap, key| {
        let stolen = CredentialWithKey {
            credential: Credential::new(profile::credential_type(), vec![1]),
            signature_key: bo.identity.key.public.to_vec().into(),
        };
        let parameters = LeafNodeParameters::builder().with_credential_with_key(stolen).build();
        let provider = Provider { tap, store: &live.store };
        live.mls.self_update(&provider, key, parameters).unwrap().into_commit().to_bytes().unwrap()
    });
    let Ok(Received::Commit(staged)) = ada.process(&wire) else { panic!("not a commit") };
    assert_eq!((staged.updated[0].index, &staged.updated[0].credential[..]), (1, &[1][..]));
    assert_eq!(staged.sender.credential, [2]);
}

#[test]
fn a_package_whose_lifetime_ends_is_not_added() {
    let carl = identity(3);
    let tap = Tap::on(&carl.crypto);
    let store = Store::for_group(&carl.shard, Shard::default());
    for lifetime in [Lifetime::new(3600), Lifetime::init(0, u64::from(u32::MAX)), Lifetime::init(1, profile::NOT_AFTER)]
    {
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(profile::capabilities().unwrap())
            .key_package_lifetime(lifetime)
            .build(
                profile::suite(CLASSICAL).unwrap(),
                &Provider { tap: &tap, store: &store },
                &carl.key.signer(&tap),
                carl.credential.clone(),
            )
            .unwrap();
        let wire = MlsMessageOut::from(bundle.into_key_package()).to_bytes().unwrap();
        let refusal = decode_to_add_untrusted(&wire, profile::suite(CLASSICAL).unwrap(), &tap).unwrap_err();
        assert_eq!(refusal.code, Code::BadKeyPackage);
    }
}

#[test]
fn a_package_with_another_type_of_credential_is_not_taken() {
    let carl = identity(3);
    let tap = Tap::on(&carl.crypto);
    let store = Store::for_group(&carl.shard, Shard::default());
    let basic = CredentialWithKey {
        credential: BasicCredential::new(b"carl".to_vec()).into(),
        signature_key: carl.key.public.to_vec().into(),
    };
    let bundle = KeyPackage::builder()
        .key_package_lifetime(profile::lifetime())
        .build(
            profile::suite(CLASSICAL).unwrap(),
            &Provider { tap: &tap, store: &store },
            &carl.key.signer(&tap),
            basic,
        )
        .unwrap();
    let wire = MlsMessageOut::from(bundle.into_key_package()).to_bytes().unwrap();
    let refusal = decode_to_add_untrusted(&wire, profile::suite(CLASSICAL).unwrap(), &tap).unwrap_err();
    assert_eq!(refusal.code, Code::BadKeyPackage);
}

#[test]
fn a_panic_in_a_call_is_an_error_and_leaves_the_group_usable() {
    let (ada, bo) = pair();
    let outcome = ada.group.core.attempt(|live| {
        live.mls.set_aad(vec![1]);
        hold_and_panic(live)
    });
    assert_eq!(outcome.unwrap_err().code, Code::Internal);
    assert!(matches!(bo.process(&ada.says(b"still here")), Ok(Received::Application(_))));
}

fn hold_and_panic(live: &Live) -> Result<()> {
    let _shard = live.store.group.lock().unwrap();
    panic!("under the lock");
}
