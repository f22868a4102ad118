// A set of positions within one chunk: the intent record ("issued") and what is derived from it.
#pragma once

#include <bitset>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace fleetcast::job_store {

// Targets of one chunk, at most. A target's number within its job is n = chunk_no * kChunkTargets + position.
inline constexpr int kChunkTargets = 1000;

// Positions 0 … kChunkTargets-1. A value type of 128 bytes.
class PositionSet {
 public:
  PositionSet() = default;
  PositionSet(std::initializer_list<int> positions) {
    for (const int position : positions) Insert(position);
  }

  // The positions 0 … count-1.
  static PositionSet FirstN(int count) {
    PositionSet set;
    for (int i = 0; i < count; ++i) set.Insert(i);
    return set;
  }

  // From Postgres' text form of bit(1000): character i is position i. Other lengths are cut or filled with zeros.
  static PositionSet FromBitText(std::string_view text) {
    PositionSet set;
    for (size_t i = 0; i < text.size() && i < kChunkTargets; ++i) {
      if (text[i] == '1') set.bits_.set(i);
    }
    return set;
  }

  // The inverse of FromBitText: always kChunkTargets characters.
  std::string ToBitText() const {
    std::string text(kChunkTargets, '0');
    for (size_t i = 0; i < kChunkTargets; ++i) {
      if (bits_.test(i)) text[i] = '1';
    }
    return text;
  }

  // Precondition for all three: 0 <= position < kChunkTargets.
  void Insert(int position) { bits_.set(static_cast<size_t>(position)); }
  void Erase(int position) { bits_.reset(static_cast<size_t>(position)); }
  bool Contains(int position) const { return bits_.test(static_cast<size_t>(position)); }

  int size() const { return static_cast<int>(bits_.count()); }
  bool empty() const { return bits_.none(); }

  // The members, ascending.
  std::vector<int> ToVector() const {
    std::vector<int> positions;
    positions.reserve(bits_.count());
    for (size_t i = bits_._Find_first(); i < kChunkTargets; i = bits_._Find_next(i)) {
      positions.push_back(static_cast<int>(i));
    }
    return positions;
  }

  PositionSet& operator|=(const PositionSet& other) {
    bits_ |= other.bits_;
    return *this;
  }
  PositionSet& operator&=(const PositionSet& other) {
    bits_ &= other.bits_;
    return *this;
  }
  // Set difference.
  PositionSet& operator-=(const PositionSet& other) {
    bits_ &= ~other.bits_;
    return *this;
  }
  friend PositionSet operator|(PositionSet a, const PositionSet& b) { return a |= b; }
  friend PositionSet operator&(PositionSet a, const PositionSet& b) { return a &= b; }
  friend PositionSet operator-(PositionSet a, const PositionSet& b) { return a -= b; }
  friend bool operator==(const PositionSet& a, const PositionSet& b) { return a.bits_ == b.bits_; }

 private:
  std::bitset<kChunkTargets> bits_;
};

}  // namespace fleetcast::job_store
