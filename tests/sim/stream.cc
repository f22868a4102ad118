#include "tests/sim/stream.h"

#include <algorithm>
#include <utility>

namespace fleetcast::sim {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);

}  // namespace

Stream::Stream(Universe& universe, Process& client, Process& server)
    : universe_(universe), ends_{{&client, client.life(), true, {}}, {&server, server.life(), true, {}}} {}

absl::Duration Stream::Delay() {
  SeededRandom& random = universe_.random;
  return random.Chance(20) ? random.Between(absl::Milliseconds(1), absl::Milliseconds(60))
                           : random.Between(absl::Microseconds(80), absl::Milliseconds(1));
}

bool Stream::Send(Side from, std::function<void()> message) {
  if (!end(from).open) return false;
  if (!direction(from).is_cut) Append(from, std::move(message));
  return true;
}

void Stream::Append(Side from, std::function<void()> run) {
  Direction& way = direction(from);
  way.last_arrival = std::max(way.last_arrival, universe_.queue.now() + Delay());
  way.messages.push_back({way.last_arrival, std::move(run)});
  if (way.messages.size() == 1) SchedulePump(from);
}

void Stream::SchedulePump(Side from) {
  const Direction& way = direction(from);
  universe_.queue.At(std::max(way.messages.front().arrival, way.stalled_until),
                     [self = shared_from_this(), from] { self->Pump(from); });
}

void Stream::Pump(Side from) {
  Direction& way = direction(from);
  while (!way.messages.empty()) {
    if (std::max(way.messages.front().arrival, way.stalled_until) > universe_.queue.now()) return SchedulePump(from);
    const std::function<void()> run = std::move(way.messages.front().run);
    way.messages.pop_front();
    End& to = end(Other(from));
    if (!to.open) continue;
    to.process->Run(to.life, [self = shared_from_this(), from, run] {
      if (self->end(Other(from)).open) run();
    });
  }
}

void Stream::LoseSome(Side from) {
  Direction& way = direction(from);
  // The pump that waits for the first one finds what is left.
  while (!way.messages.empty() && universe_.random.Chance(400)) way.messages.pop_back();
}

void Stream::Break() {
  for (const Side side : {Side::kClient, Side::kServer}) {
    LoseSome(side);
    direction(side).is_cut = true;
    const bool is_slow = universe_.random.Chance(300);
    const absl::Duration notice =
        universe_.random.Between(absl::ZeroDuration(), absl::Milliseconds(is_slow ? 3000 : 30));
    universe_.queue.After(notice, [self = shared_from_this(), side] { self->Notice(side); });
  }
}

void Stream::Close(Side by, bool is_killed, absl::Duration silence) {
  if (!end(by).open) return;
  end(by).open = false;
  if (is_killed) LoseSome(by);
  direction(by).is_cut = true;
  const absl::Duration when =
      std::max({direction(by).last_arrival, direction(by).stalled_until, universe_.queue.now() + Delay()}) + silence;
  universe_.queue.At(when, [self = shared_from_this(), side = Other(by)] { self->Notice(side); });
}

void Stream::Stall(Side from, absl::Duration duration) {
  Direction& way = direction(from);
  way.stalled_until = std::max(way.stalled_until, universe_.queue.now() + duration);
}

void Stream::Notice(Side side) {
  End& there = end(side);
  there.process->Run(there.life, [self = shared_from_this(), side] {
    End& here = self->end(side);
    if (!std::exchange(here.open, false)) return;
    if (here.on_down) std::exchange(here.on_down, {})();
  });
}

void Dialer::Dial() {
  const absl::Duration wait = universe_.random.Between(absl::Milliseconds(1), absl::Milliseconds(200));
  client_.After(std::max(wait, blocked_until_ - universe_.queue.now()), [this] { Connect(); });
}

void Dialer::Connect() {
  if (!server_.is_alive() || universe_.queue.now() < blocked_until_) return Dial();
  auto stream = std::make_shared<Stream>(universe_, client_, server_);
  stream_ = stream;
  stream->OnDown(Side::kClient, [this] {
    stream_ = nullptr;
    lost_();
    Dial();
  });
  auto is_up = std::make_shared<bool>(false);
  server_.Run(server_.life(), [this, stream, is_up, life = client_.life()] {
    if (!stream->is_open(Side::kServer) || client_.life() != life) return;
    accept_(stream);
    stream->Send(Side::kServer, [this, stream, is_up] {
      *is_up = true;
      connected_(stream);
    });
  });
  client_.After(kConnectTimeout, [this, stream, is_up] {  // The server was stopped or died before it took notice.
    if (*is_up || stream_ != stream) return;
    Drop(false);
    Dial();
  });
}

void Dialer::Drop(bool is_killed) {
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Close(Side::kClient, is_killed);
}

}  // namespace fleetcast::sim
