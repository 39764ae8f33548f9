#pragma once
/// \file
/// How the states of a selective scan lie in memory. Channels are cut into blocks of up to sixteen, none of which
/// crosses two groups; a block has one row of sixteen lanes per element of the state. So one vector lane is a channel,
/// and no sum runs across lanes.

#include <cstddef>

namespace loquat {

/// Where the elements of all channels' states, or their decays, lie: [blocks, elements, lanes].
struct scan_layout {
  static constexpr std::size_t lanes = 16; ///< channels of a block; where a group has fewer left, some stay unused

  std::size_t channels; ///< in all
  std::size_t groups;   ///< of consecutive channels, of one size
  std::size_t elements; ///< of a channel

  constexpr std::size_t group_channels() const noexcept { return channels / groups; } ///< of one group
  constexpr std::size_t group_blocks() const noexcept {                               ///< the same in blocks
    return group_channels() / lanes + (group_channels() % lanes != 0);
  }
  constexpr std::size_t blocks() const noexcept { return groups * group_blocks(); }   ///< in all
  constexpr std::size_t block_floats() const noexcept { return elements * lanes; }    ///< of a block
  constexpr std::size_t floats() const noexcept { return blocks() * block_floats(); } ///< of all blocks
  constexpr std::size_t first_channel(std::size_t block) const noexcept {             ///< of a block
    return block / group_blocks() * group_channels() + block % group_blocks() * lanes;
  }
  constexpr std::size_t channels_of(std::size_t block) const noexcept { ///< 1 to `lanes`
    std::size_t const left = group_channels() - block % group_blocks() * lanes;
    return left < lanes ? left : lanes;
  }
  /// Element `e` of a channel.
  constexpr std::size_t at(std::size_t channel, std::size_t e) const noexcept {
    std::size_t const within = channel % group_channels();
    std::size_t const block = channel / group_channels() * group_blocks() + within / lanes;
    return (block * elements + e) * lanes + within % lanes;
  }
};

} // namespace loquat
