//! Token Status Lists (draft-ietf-oauth-status-list): many statuses in few bytes, for issuer and verifier alike.

use std::io::{self, Read, Write};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

/// The `typ` of a Status List Token's header.
pub const STATUS_LIST_TOKEN_TYPE: &str = "statuslist+jwt";

/// The media type of a Status List Token.
pub const STATUS_LIST_MEDIA_TYPE: &str = "application/statuslist+jwt";

/// The status of a token that counts.
pub const VALID: u8 = 0;

/// The status of a token that has been revoked.
pub const INVALID: u8 = 1;

/// The statuses of many tokens, each at a place of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    bytes: Vec<u8>,
}

/// Why there is no status list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusListError {
    /// A status takes 1, 2, 4 or 8 bits.
    #[error("a status takes 1, 2, 4 or 8 bits, not {0}")]
    Bits(u8),
    /// The place is beyond the end of the list.
    #[error("the list has no place {0}")]
    Place(u64),
    /// The status does not fit into the bits of a place.
    #[error("the status {0} does not fit")]
    Status(u8),
    /// `lst` is not base64url.
    #[error("the list is not base64url")]
    Encoding(#[source] base64::DecodeError),
    /// `lst` is not what ZLIB makes (RFC 1950).
    #[error("the list cannot be decompressed")]
    Compression(#[source] io::Error),
    /// The list is longer than it may be.
    #[error("the list is longer than {0} bytes")]
    TooLong(usize),
}

impl StatusList {
    /// A list with at least this many places, all of them [`VALID`].
    pub fn new(bits: u8, size: usize) -> Result<Self, StatusListError> {
        let per_byte = per_byte(bits)?;
        Ok(Self { bits, bytes: vec![0; size.div_ceil(per_byte)] })
    }

    /// How many bits a status takes.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// How many places there are: a whole number of bytes.
    pub const fn size(&self) -> usize {
        self.bytes.len() * 8 / self.bits as usize
    }

    /// The status at this place; nothing beyond the end.
    pub fn get(&self, place: u64) -> Option<u8> {
        let (byte, shift) = self.position(place)?;
        Some((self.bytes[byte] >> shift) & self.mask())
    }

    /// Changes the status at this place.
    pub fn set(&mut self, place: u64, status: u8) -> Result<(), StatusListError> {
        let (byte, shift) = self.position(place).ok_or(StatusListError::Place(place))?;
        let mask = self.mask();
        if status > mask {
            return Err(StatusListError::Status(status));
        }
        self.bytes[byte] = (self.bytes[byte] & !(mask << shift)) | (status << shift);
        Ok(())
    }

    /// The compressed list: DEFLATE (RFC 1951) in the ZLIB format (RFC 1950), at the highest level.
    pub fn to_compressed(&self) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&self.bytes).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
    }

    /// The `lst` member: the compressed list in base64url.
    pub fn to_lst(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.to_compressed())
    }

    /// Reads an `lst` member whose list has at most `longest` bytes when it is decompressed.
    pub fn from_lst(bits: u8, lst: &str, longest: usize) -> Result<Self, StatusListError> {
        per_byte(bits)?;
        let compressed = BASE64_URL_SAFE_NO_PAD.decode(lst).map_err(StatusListError::Encoding)?;
        let mut decoder = ZlibDecoder::new(compressed.as_slice());
        let mut bytes = Vec::new();
        // One byte more than may be, so that a bomb is recognised and never goes off.
        let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
        decoder.by_ref().take(limit).read_to_end(&mut bytes).map_err(StatusListError::Compression)?;
        if bytes.len() > longest {
            return Err(StatusListError::TooLong(longest));
        }
        Ok(Self { bits, bytes })
    }

    /// The byte and, within it, the bits of a place: the first place has the least significant bits.
    fn position(&self, place: u64) -> Option<(usize, u8)> {
        let place = usize::try_from(place).ok().filter(|place| *place < self.size())?;
        let per_byte = 8 / self.bits as usize;
        let shift = u8::try_from(place % per_byte).ok()? * self.bits;
        Some((place / per_byte, shift))
    }

    const fn mask(&self) -> u8 {
        u8::MAX >> (8 - self.bits)
    }
}

const fn per_byte(bits: u8) -> Result<usize, StatusListError> {
    match bits {
        1 | 2 | 4 | 8 => Ok(8 / bits as usize),
        other => Err(StatusListError::Bits(other)),
    }
}

/// The claims of a Status List Token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusListClaims {
    /// Who issued it; the draft leaves it out, and we do not mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The URI of the list: the same as in the tokens that refer to it.
    pub sub: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// From when on it must not be relied upon, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// How long it may be kept before it is fetched again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// The list.
    pub status_list: EncodedStatusList,
}

/// A status list as it is written in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodedStatusList {
    /// How many bits a status takes.
    pub bits: u8,
    /// The compressed list in base64url.
    pub lst: String,
}

impl From<&StatusList> for EncodedStatusList {
    fn from(list: &StatusList) -> Self {
        Self { bits: list.bits, lst: list.to_lst() }
    }
}

/// What an issuer's `status_list_aggregation_endpoint` answers: its live lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusListAggregation {
    /// The URIs of the lists.
    pub status_lists: Vec<String>,
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::{vectors::VECTORS, *};

    fn list(bits: u8, statuses: &[u8]) -> StatusList {
        let mut list = StatusList::new(bits, statuses.len()).unwrap();
        for (place, status) in (0..).zip(statuses) {
            list.set(place, *status).unwrap();
        }
        list
    }

    #[test]
    fn the_examples_of_the_draft_are_encoded_as_there() {
        let one_bit = list(1, &[1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
        assert_eq!(one_bit.bytes, [0xb9, 0xa3]);
        assert_eq!(one_bit.to_lst(), "eNrbuRgAAhcBXQ");
        let two_bits = list(2, &[1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
        assert_eq!(two_bits.bytes, [0xc9, 0x44, 0xf9]);
        assert_eq!(two_bits.to_lst(), "eNo76fITAAPfAgc");
        assert_eq!(StatusList::from_lst(1, "eNrbuRgAAhcBXQ", 2).unwrap(), one_bit);
        assert_eq!(StatusList::from_lst(2, "eNo76fITAAPfAgc", 3).unwrap(), two_bits);
    }

    #[test]
    fn the_test_vectors_of_the_draft_are_read_and_written() {
        const SIZE: usize = 1 << 20;
        for (bits, statuses, lst) in VECTORS {
            let mut expected = StatusList::new(bits, SIZE).unwrap();
            for (place, status) in statuses {
                expected.set(*place, *status).unwrap();
            }
            let read = StatusList::from_lst(bits, lst, SIZE).unwrap();
            assert_eq!(read.size(), SIZE);
            assert!(read == expected, "{bits} bits");
            // Other compressors may find other bytes for the same list.
            assert!(StatusList::from_lst(bits, &expected.to_lst(), SIZE).unwrap() == expected, "{bits} bits");
        }
    }

    #[test]
    fn a_place_is_changed_without_its_neighbours() {
        for bits in [1, 2, 4, 8] {
            let mut list = StatusList::new(bits, 9).unwrap();
            list.set(3, 1).unwrap();
            list.set(4, 1).unwrap();
            list.set(3, 0).unwrap();
            let statuses: Vec<_> = (0..9).map(|place| list.get(place).unwrap()).collect();
            assert_eq!(statuses, [0, 0, 0, 0, 1, 0, 0, 0, 0], "{bits} bits");
        }
    }

    #[test]
    fn what_is_beyond_a_list_is_nothing() {
        let mut list = StatusList::new(1, 9).unwrap();
        assert_eq!(list.size(), 16);
        for place in [16, u64::MAX] {
            assert_eq!(list.get(place), None);
            assert!(matches!(list.set(place, 1), Err(StatusListError::Place(_))));
        }
        assert!(matches!(list.set(0, 2), Err(StatusListError::Status(2))));
        assert_eq!(StatusList::new(1, 0).unwrap().get(0), None);
    }

    #[test]
    fn a_list_that_is_not_one_is_refused() {
        for bits in [0, 3, 5, 7, 9, 255] {
            assert!(matches!(StatusList::new(bits, 1), Err(StatusListError::Bits(_))));
            assert!(matches!(StatusList::from_lst(bits, "eNrbuRgAAhcBXQ", 2), Err(StatusListError::Bits(_))));
        }
        let refused = |lst: &str| StatusList::from_lst(1, lst, 1024).unwrap_err();
        assert!(matches!(refused("eNrbuRgAAhcBXQ=="), StatusListError::Encoding(_)));
        assert!(matches!(refused("eNrbuRgAAhcBXR"), StatusListError::Encoding(_)));
        assert!(matches!(refused("eNrbuRgAAhcB"), StatusListError::Compression(_)));
        assert!(matches!(refused("eNrbuRgAAhcBXg"), StatusListError::Compression(_)));
        assert!(matches!(refused(""), StatusListError::Compression(_)));
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = StatusList::new(8, 64 * 1024 * 1024).unwrap().to_lst();
        assert!(bomb.len() < 128 * 1024);
        assert!(matches!(StatusList::from_lst(8, &bomb, 1024), Err(StatusListError::TooLong(1024))));
    }
}
