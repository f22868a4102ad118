#include "services/scheduler/lane.h"

#include <algorithm>

namespace fleetcast::scheduler {

void Lane::Up(int index, absl::Time boot, int64_t credit) {
  Peer& peer = At(index);
  if (!peer.up) {
    ++peer.connection;
    peer.in_flight = 0;
  }
  peer.up = true;
  peer.boot = boot;
  if (credit > 0) peer.credit = credit;
}

void Lane::Down(int index) {
  Peer& peer = At(index);
  peer.up = false;
  peer.credit = 0;
  peer.in_flight = 0;
  ++peer.connection;
}

void Lane::Released(int index, int targets) {
  At(index).in_flight = std::max<int64_t>(0, At(index).in_flight - targets);
}

void Lane::Released(const Destination& to, int targets) {
  if (Stands(to)) Released(to.peer, targets);
}

int64_t Lane::free() const {
  int64_t free = 0;
  for (const Peer& peer : peers_) free += peer.free();
  return free;
}

std::optional<Destination> Lane::Roomiest() const {
  const auto best =
      std::max_element(peers_.begin(), peers_.end(), [](const Peer& a, const Peer& b) { return a.free() < b.free(); });
  if (best == peers_.end() || best->free() == 0) return std::nullopt;
  return Destination{static_cast<int>(best - peers_.begin()), best->connection};
}

bool Lane::Stands(const Destination& to) const {
  const Peer& chosen = peer(to.peer);
  return chosen.up && chosen.connection == to.connection;
}

std::optional<int> Lane::AnyUp() const {
  for (int index = 0; index < peer_count(); ++index) {
    if (peer(index).up) return index;
  }
  return std::nullopt;
}

}  // namespace fleetcast::scheduler
