#include "services/mqtt_edge/transport/proxy_header.h"

#include <algorithm>
#include <cstring>

namespace fleetcast::mqtt_edge {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr uint8_t kLocal = 0x20;  // Version 2 and the command.
constexpr uint8_t kProxy = 0x21;
constexpr uint8_t kUnspecified = 0x00;  // Family and protocol.
constexpr uint8_t kTcp4 = 0x11;
constexpr uint8_t kTcp6 = 0x21;
constexpr size_t kTcp4Bytes = 12;  // Two addresses, two ports.
constexpr size_t kTcp6Bytes = 36;

}  // namespace

size_t ProxyHeaderReader::wanted() const {
  if (state_ != State::kNeedMore) return 0;
  return (have_ < kFixedBytes ? kFixedBytes : kFixedBytes + length()) - have_;
}

ProxyHeaderReader::State ProxyHeaderReader::Add(std::string_view bytes) {
  const size_t before = have_;
  if (before < head_.size()) {
    std::memcpy(head_.data() + before, bytes.data(), std::min(bytes.size(), head_.size() - before));
  }
  have_ = static_cast<uint16_t>(before + bytes.size());
  return state_ = Judge(before);
}

ProxyHeaderReader::State ProxyHeaderReader::Judge(size_t taken_before) {
  // A wrong byte is not worth waiting for the others.
  for (size_t i = taken_before; i < std::min<size_t>(have_, kSignature.size()); ++i) {
    if (head_[i] != static_cast<uint8_t>(kSignature[i])) return State::kRefused;
  }
  if (have_ < kFixedBytes) return State::kNeedMore;
  if (kFixedBytes + length() > kBytesMax) return State::kRefused;
  const uint8_t family = head_[13];
  const bool is_known = (family == kTcp4 && length() >= kTcp4Bytes) || (family == kTcp6 && length() >= kTcp6Bytes);
  const bool is_good = head_[12] == kLocal || (head_[12] == kProxy && (is_known || family == kUnspecified));
  if (!is_good) return State::kRefused;
  return have_ < kFixedBytes + length() ? State::kNeedMore : State::kDone;
}

std::optional<PeerAddress> ProxyHeaderReader::source() const {
  if (state_ != State::kDone || head_[12] != kProxy || head_[13] == kUnspecified) return std::nullopt;
  PeerAddress address{};
  const uint8_t* const source = head_.data() + kFixedBytes;
  if (head_[13] == kTcp6) {
    std::copy_n(source, address.size(), address.begin());
  } else {
    address[10] = address[11] = 0xff;  // IPv4, mapped.
    std::copy_n(source, 4, address.begin() + 12);
  }
  return address;
}

}  // namespace fleetcast::mqtt_edge
