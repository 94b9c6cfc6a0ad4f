//! Nonce proofs against a tree that is built as RFC 6962, section 2.1, defines it.

use blindllama_attest::{
    digest::Sha256Digest,
    nonce::{InvalidNonceProof, MAX_LEAVES, NonceProof},
};

fn inner(left: Sha256Digest, right: Sha256Digest) -> Sha256Digest {
    Sha256Digest::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The largest power of two below `leaves`.
fn split(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

fn root(leaves: &[Sha256Digest]) -> Sha256Digest {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            inner(root(left), root(right))
        }
    }
}

fn path(index: usize, leaves: &[Sha256Digest]) -> Vec<Sha256Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) =
        if index < middle { (path(index, left), root(right)) } else { (path(index - middle, right), root(left)) };
    path.push(sibling);
    path
}

fn tree(size: u8) -> Vec<Sha256Digest> {
    (0..size).map(|number| Sha256Digest::of(&[&[0, number]])).collect()
}

#[test]
fn each_leaf_of_each_tree_proves_the_root_and_nothing_else_does() {
    for size in 1..=70 {
        let leaves = tree(size);
        let expected = root(&leaves);
        for (index, leaf) in leaves.iter().enumerate() {
            let siblings = path(index, &leaves);
            let proof = NonceProof { leaf_index: index.try_into().unwrap(), leaf_count: size.into(), siblings };
            assert_eq!(proof.root(*leaf), Ok(expected), "leaf {index} of {size}");
            assert_ne!(proof.root(Sha256Digest::ZERO), Ok(expected), "a foreign leaf at {index} of {size}");

            let mut longer = proof.clone();
            longer.siblings.push(Sha256Digest::ZERO);
            assert_eq!(longer.root(*leaf), Err(InvalidNonceProof), "a sibling too many for {index} of {size}");
            let mut shorter = proof.clone();
            if shorter.siblings.pop().is_some() {
                assert_eq!(shorter.root(*leaf), Err(InvalidNonceProof), "a sibling too few for {index} of {size}");
            }
        }
    }
}

#[test]
fn a_leaf_elsewhere_in_the_tree_does_not_prove_the_root() {
    let leaves = tree(70);
    let expected = root(&leaves);
    for claimed in 0..70_u32 {
        let proof = NonceProof { leaf_index: claimed, leaf_count: 70, siblings: path(5, &leaves) };
        assert_eq!(proof.root(leaves[5]) == Ok(expected), claimed == 5, "claimed at {claimed}");
    }
}

#[test]
fn impossible_trees_are_refused() {
    let (leaf, siblings) = (Sha256Digest::ZERO, Vec::new());
    for (leaf_index, leaf_count) in [(0, 0), (1, 1), (u32::MAX, 1), (0, MAX_LEAVES + 1), (0, u32::MAX)] {
        let proof = NonceProof { leaf_index, leaf_count, siblings: siblings.clone() };
        assert_eq!(proof.root(leaf), Err(InvalidNonceProof), "{leaf_index} of {leaf_count}");
    }
}
