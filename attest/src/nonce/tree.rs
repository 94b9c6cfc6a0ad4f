//! The tree that a quote is made over, as the TPM's side builds it.

use super::{MAX_LEAVES, NonceProof, inner_node, qualifying_data};
use crate::digest::Sha256Digest;

/// A Merkle tree shaped as in RFC 6962 (section 2.1): the left side of each node is the largest complete tree that leaves
/// something for the right.
///
/// Put the other way round: neighbours are paired level by level, and a node without a neighbour moves up as it is.
#[derive(Debug, Clone)]
pub struct NonceTree {
    /// From the leaves upwards; the last has the root alone.
    levels: Vec<Vec<Sha256Digest>>,
    root: Sha256Digest,
    leaf_count: u32,
}

/// No tree has that many leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quote carries 1 to {MAX_LEAVES} nonces, not {0}")]
pub struct InvalidLeafCount(pub usize);

impl NonceTree {
    /// Builds the tree over `leaves`, in their order.
    ///
    /// # Errors
    /// [`InvalidLeafCount`] unless there are 1 to [`MAX_LEAVES`].
    pub fn new(leaves: Vec<Sha256Digest>) -> Result<Self, InvalidLeafCount> {
        let found = leaves.len();
        let leaf_count = u32::try_from(found).ok().filter(|count| (1..=MAX_LEAVES).contains(count));
        let leaf_count = leaf_count.ok_or(InvalidLeafCount(found))?;
        let (mut levels, mut level) = (Vec::new(), leaves);
        let root = loop {
            if let [root] = *level {
                levels.push(level);
                break root;
            }
            let above = level.chunks(2).filter_map(parent).collect();
            levels.push(std::mem::replace(&mut level, above));
        };
        Ok(Self { levels, root, leaf_count })
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> Sha256Digest {
        self.root
    }

    /// Number of leaves, 1 to [`MAX_LEAVES`].
    #[must_use]
    pub const fn leaf_count(&self) -> u32 {
        self.leaf_count
    }

    /// What the TPM has to sign for this tree.
    #[must_use]
    pub fn qualifying_data(&self) -> Sha256Digest {
        qualifying_data(self.leaf_count, self.root)
    }

    /// The proof of the leaf at `leaf_index`, from 0; `None` if there is no such leaf.
    #[must_use]
    pub fn proof(&self, leaf_index: u32) -> Option<NonceProof> {
        if leaf_index >= self.leaf_count {
            return None;
        }
        let mut index = usize::try_from(leaf_index).ok()?;
        let mut siblings = Vec::new();
        for level in &self.levels {
            siblings.extend(level.get(index ^ 1));
            index /= 2;
        }
        Some(NonceProof { leaf_index, leaf_count: self.leaf_count, siblings })
    }
}

/// The node above one or two neighbours.
fn parent(children: &[Sha256Digest]) -> Option<Sha256Digest> {
    match children {
        [left, right] => Some(inner_node(*left, *right)),
        [alone] => Some(*alone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<Sha256Digest> {
        (0..count).map(|number| Sha256Digest::of(&[&number.to_be_bytes()])).collect()
    }

    /// MTH of RFC 6962, section 2.1, word for word.
    fn merkle_tree_hash(leaves: &[Sha256Digest]) -> Sha256Digest {
        if let [leaf] = leaves {
            return *leaf;
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        Sha256Digest::of(&[&[0x01], merkle_tree_hash(left).as_bytes(), merkle_tree_hash(right).as_bytes()])
    }

    /// PATH of RFC 6962, section 2.1.1, word for word.
    fn audit_path(index: usize, leaves: &[Sha256Digest]) -> Vec<Sha256Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if index < k {
            (audit_path(index, left), merkle_tree_hash(right))
        } else {
            (audit_path(index - k, right), merkle_tree_hash(left))
        };
        path.push(sibling);
        path
    }

    /// The largest power of two smaller than `count`.
    fn split(count: usize) -> usize {
        count.next_power_of_two() / 2
    }

    #[test]
    fn every_tree_up_to_300_leaves_is_that_of_rfc_6962() {
        for count in 1..=300 {
            let leaves = leaves(count);
            let tree = NonceTree::new(leaves.clone()).unwrap();
            assert_eq!(tree.root(), merkle_tree_hash(&leaves), "{count}");
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = tree.proof(u32::try_from(index).unwrap()).unwrap();
                assert_eq!(proof.root(*leaf), Ok(tree.root()), "{index} of {count}");
                assert_eq!(proof.siblings, audit_path(index, &leaves), "{index} of {count}");
            }
        }
    }

    #[test]
    fn only_possible_trees_and_leaves_exist() {
        assert_eq!(NonceTree::new(Vec::new()).unwrap_err(), InvalidLeafCount(0));
        let largest = usize::try_from(MAX_LEAVES).unwrap();
        assert_eq!(NonceTree::new(leaves(largest + 1)).unwrap_err(), InvalidLeafCount(largest + 1));
        let tree = NonceTree::new(leaves(largest)).unwrap();
        assert_eq!(tree.proof(MAX_LEAVES), None);
        assert_eq!(tree.proof(MAX_LEAVES - 1).unwrap().siblings.len(), crate::evidence::MAX_SIBLINGS);
        assert_eq!(NonceTree::new(leaves(1)).unwrap().proof(0), Some(NonceProof::single()));
    }

    proptest! {
        #[test]
        fn a_proof_proves_its_own_leaf_alone(count in 2_usize..300, index: prop::sample::Index, other: prop::sample::Index) {
            let leaves = leaves(count);
            let tree = NonceTree::new(leaves.clone()).unwrap();
            let (index, other) = (index.index(count), other.index(count));
            prop_assume!(index != other);
            let proof = tree.proof(u32::try_from(index).unwrap()).unwrap();
            prop_assert_ne!(proof.root(leaves[other]), Ok(tree.root()));
            let moved = NonceProof { leaf_index: u32::try_from(other).unwrap(), ..proof };
            prop_assert_ne!(moved.root(leaves[index]), Ok(tree.root()));
        }
    }
}
