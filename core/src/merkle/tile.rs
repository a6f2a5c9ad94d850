//! Tiles: 256 node hashes side by side, the unit in which logs keep and publish their trees. C2SP
//! tlog-tiles.
//!
//! Hash `i` of tile `n` at tile level `l` is the tree's node `(8 * l, 256 * n + i)`. A tile below the
//! right edge of the tree is *full*; the last of a level may be *partial* and holds fewer hashes. The
//! path of a tile is part of the protocol: `tile/0/x001/x234/067`, `tile/1/000.p/17`.

use core::fmt;
use core::str::FromStr;

use super::node_hash;
use crate::hash::NodeHash;
use crate::limits::TILE_WIDTH;

/// Levels of the tree within one tile level: a tile is 2^8 hashes wide.
pub const LEVELS_PER_TILE: u8 = 8;

/// Highest tile level that a path may name, C2SP tlog-tiles. No tree reaches beyond 7.
pub const TILE_LEVEL_MAX: u8 = 63;

const HASH_BYTES: usize = 32;

/// What a tile's path names: hashes of a level, or the entries beneath the tiles of level 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// `tile/<L>/...`: node hashes of tile level L.
    Hashes(u8),
    /// `tile/entries/...`: an entry bundle.
    Entries,
}

/// The path of a hash tile or entry bundle below a log's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// A text is not the path of a tile, or numbers do not name one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the path of a tile: tile/<level 0 to 63 or \"entries\">/<index in groups of three digits>, \
     with .p/<1 to 255> when the tile is partial"
)]
pub struct TilePathError;

impl TilePath {
    /// Names a tile; `width` is the number of hashes or entries in it, 1 to 256.
    ///
    /// # Errors
    /// [`TilePathError`] when level or width are out of range.
    pub const fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, TilePathError> {
        let level_fits = match kind {
            TileKind::Hashes(level) => level <= TILE_LEVEL_MAX,
            TileKind::Entries => true,
        };
        if level_fits && width >= 1 && width as u64 <= TILE_WIDTH {
            Ok(Self { kind, index, width })
        } else {
            Err(TilePathError)
        }
    }

    /// Hashes of which level, or entries.
    #[must_use]
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// The tile's index within its level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Hashes or entries in the tile, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile can still grow.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        (self.width as u64) < TILE_WIDTH
    }

    /// Whether a tree of `size` leaves has this tile, at least this wide.
    #[must_use]
    pub fn exists_in(&self, size: u64) -> bool {
        let level = match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        let hashes = hashes_at(level, size);
        self.index
            .checked_mul(TILE_WIDTH)
            .and_then(|first| first.checked_add(self.width.into()))
            .is_some_and(|end| end <= hashes)
    }
}

/// The number of hashes at a tile level of a tree of `size` leaves.
fn hashes_at(tile_level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(tile_level) * u32::from(LEVELS_PER_TILE)).unwrap_or(0)
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        // Groups of three digits; a u64 has at most seven of them.
        let mut divisor = 1_000_000_000_000_000_000u64;
        while divisor > 1 {
            if self.index >= divisor {
                write!(f, "x{:03}/", self.index / divisor % 1000)?;
            }
            divisor /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    /// Reads the one path that the protocol gives a tile; superfluous groups of zeros, which the
    /// protocol's pattern would let pass but no log writes, are refused.
    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let rest = text.strip_prefix("tile/").ok_or(TilePathError)?;
        let (kind, rest) = rest.split_once('/').ok_or(TilePathError)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(small_number(level).ok_or(TilePathError)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            // 256 does not fit here, as it should be: a full tile has no suffix.
            Some((index, width)) => (index, u16::from(small_number(width).ok_or(TilePathError)?)),
            None => (rest, TILE_WIDTH as u16),
        };
        let index = parse_index(index).ok_or(TilePathError)?;
        Self::new(kind, index, width)
    }
}

/// A number of up to 255 without sign or leading zeros.
fn small_number(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = text.len() == 1 || !text.starts_with('0');
    if plain && shortest { text.parse().ok() } else { None }
}

fn parse_index(text: &str) -> Option<u64> {
    let mut groups = text.split('/').peekable();
    let mut index = 0u64;
    let mut first = true;
    while let Some(group) = groups.next() {
        let more = groups.peek().is_some();
        let digits = if more { group.strip_prefix('x')? } else { group };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if first && more && digits == "000" {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        first = false;
    }
    Some(index)
}

/// The hash tiles at `tile_level` of a tree of `size` leaves: the full ones, and the partial one at the
/// end where the level does not fill its last tile.
pub fn coordinates(tile_level: u8, size: u64) -> impl Iterator<Item = TilePath> {
    let hashes = hashes_at(tile_level, size);
    (0..hashes.div_ceil(TILE_WIDTH)).filter_map(move |index| {
        let width = (hashes - index * TILE_WIDTH).min(TILE_WIDTH) as u16;
        TilePath::new(TileKind::Hashes(tile_level), index, width).ok()
    })
}

/// Where a node lies: the tile (level and index) in which its leaves or deeper nodes stand side by side,
/// and the node's level and index within that tile. Levels 8, 16, 24... are the bottom row of a tile of
/// their own, so the level within is 0 to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InTile {
    /// Level of the tile.
    pub tile_level: u8,
    /// Index of the tile.
    pub tile_index: u64,
    /// Level of the node above the tile's bottom row, 0 to 7.
    pub level: u8,
    /// Index of the node within its row of the tile.
    pub index: u64,
}

/// Finds the tile of node `(level, index)`.
#[must_use]
pub const fn locate(level: u8, index: u64) -> InTile {
    let within = level % LEVELS_PER_TILE;
    // A row of the tile is 256 >> within nodes wide.
    let row_bits = LEVELS_PER_TILE - within;
    InTile {
        tile_level: level / LEVELS_PER_TILE,
        tile_index: index >> row_bits,
        level: within,
        index: index & ((1 << row_bits) - 1),
    }
}

/// The bytes of a tile: its hashes one after the other.
#[must_use]
pub fn content<'a>(hashes: impl IntoIterator<Item = &'a NodeHash>) -> Vec<u8> {
    let mut out = Vec::with_capacity(TILE_WIDTH as usize * HASH_BYTES);
    hashes.into_iter().for_each(|hash| out.extend_from_slice(&hash.0));
    out
}

/// The node `level` rows above the bottom of a tile (0 to 8) at `index` of that row, from the tile's
/// bytes; `None` when the tile does not hold all of its leaves. Level 8 of a full tile is the hash that
/// stands for it in the tile above.
#[must_use]
pub fn node_in(tile: &[u8], level: u8, index: u64) -> Option<NodeHash> {
    if level > LEVELS_PER_TILE {
        return None;
    }
    let first = usize::try_from(index).ok()?.checked_mul(HASH_BYTES << level)?;
    let bytes = tile.get(first..first.checked_add(HASH_BYTES << level)?)?;
    let mut row: Vec<NodeHash> = bytes
        .chunks_exact(HASH_BYTES)
        .map(|hash| hash.try_into().map(NodeHash))
        .collect::<Result<_, _>>()
        .ok()?;
    while row.len() > 1 {
        for parent in 0..row.len() / 2 {
            row[parent] = node_hash(&row[2 * parent], &row[2 * parent + 1]);
        }
        row.truncate(row.len() / 2);
    }
    row.pop()
}
