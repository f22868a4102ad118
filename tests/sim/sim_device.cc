#include "tests/sim/sim_device.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/topics.h"
#include "tests/sim/sim_edge.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {
namespace {

constexpr uint16_t kKeepAliveSeconds = 30;
constexpr absl::Duration kPingEvery = absl::Seconds(25);
constexpr absl::Duration kConnackLimit = absl::Seconds(25);
constexpr absl::Duration kOldConnectionKept = absl::Seconds(20);
constexpr char kMethodsFilter[] = "$iothub/methods/POST/#";

template <typename Packet>
std::string BytesOf(const Packet& packet) {
  std::string bytes;
  mqtt::Encode(packet, &bytes);
  return bytes;
}

}  // namespace

SimDevice::SimDevice(World& world, int index) : Process(world.universe(), "device", index), world_(world) {}

SimDevice::Link* SimDevice::Find(uint64_t connection) {
  for (const auto& link : links_) {
    if (link->connection == connection) return link.get();
  }
  return nullptr;
}

void SimDevice::GoOnline() {
  if (std::exchange(wants_online_, true)) return;
  DialSoon(absl::ZeroDuration());
}

void SimDevice::GoOffline(bool politely) {
  if (!std::exchange(wants_online_, false)) return;
  is_listening_ = false;
  for (const auto& link : links_) {
    if (politely) Send(*link, BytesOf(mqtt::Disconnect{}));
    const absl::Duration silence =
        politely ? absl::ZeroDuration() : universe_.random.Between(absl::Seconds(1), absl::Seconds(60));
    link->stream->Close(Side::kClient, !politely, silence);
  }
  links_.clear();
}

void SimDevice::Roam() {
  if (!wants_online_ || links_.empty()) return;
  is_listening_ = false;
  After(kOldConnectionKept, [this, connection = links_.back()->connection] {
    Link* old = Find(connection);
    if (old == nullptr || old == links_.back().get()) return;
    old->stream->Close(Side::kClient);
    std::erase_if(links_, [old](const auto& link) { return link.get() == old; });
  });
  DialSoon(absl::ZeroDuration());
}

void SimDevice::DialSoon(absl::Duration at_least) {
  if (std::exchange(is_dialling_, true)) return;
  After(at_least + universe_.random.Between(absl::Milliseconds(1), absl::Milliseconds(300)), [this] {
    is_dialling_ = false;
    if (wants_online_) Dial();
  });
}

void SimDevice::Dial() {
  SimEdge& edge = world_.edge(static_cast<int>(universe_.random.Below(static_cast<uint64_t>(world_.options().edges))));
  if (!edge.is_alive()) return DialSoon(absl::Milliseconds(300));
  const uint64_t connection = world_.NewConnection(index());
  links_.push_back(std::make_unique<Link>());
  Link& link = *links_.back();
  link.connection = connection;
  link.stream = std::make_shared<Stream>(universe_, *this, edge);
  link.stream->OnDown(Side::kClient, [this, connection] {
    const bool was_current = !links_.empty() && links_.back()->connection == connection;
    std::erase_if(links_, [connection](const auto& gone) { return gone->connection == connection; });
    if (!was_current) return;
    is_listening_ = false;
    if (wants_online_) DialSoon(absl::Milliseconds(200));
  });
  edge.Run(edge.life(), [&edge, device = index(), connection, stream = link.stream] {
    if (stream->is_open(Side::kServer)) edge.AcceptDevice(device, connection, stream);
  });
  mqtt::Connect connect;
  const std::string id = world_.DeviceId(index());
  const std::string user = absl::StrCat("hub/", id, "/?api-version=2021-04-12");
  connect.keep_alive_seconds = kKeepAliveSeconds;
  connect.client_id = id;
  connect.username = user;
  connect.password = "secret";
  connect.clean_session = habits_.is_clean;
  Send(link, BytesOf(connect));
  After(kConnackLimit, [this, connection] {
    Link* waiting = Find(connection);
    if (waiting == nullptr || waiting != links_.back().get() || is_listening_) return;
    waiting->stream->Close(Side::kClient);
    links_.pop_back();
    if (wants_online_) DialSoon(absl::ZeroDuration());
  });
  After(kPingEvery, [this, connection] { Ping(connection); });
}

void SimDevice::Ping(uint64_t connection) {
  Link* link = Find(connection);
  if (link == nullptr) return;
  Send(*link, BytesOf(mqtt::Pingreq{}));
  After(kPingEvery, [this, connection] { Ping(connection); });
}

void SimDevice::Send(const Link& link, std::string bytes) {
  SimEdge& edge = world_.edge(link.stream->server_index());
  link.stream->Send(Side::kClient,
                    [&edge, raw = link.stream.get(), bytes = std::move(bytes)] { edge.OnBytes(raw, bytes); });
}

void SimDevice::OnBytes(const Stream* stream, const std::string& bytes) {
  uint64_t connection = 0;
  for (const auto& link : links_) {
    if (link->stream.get() == stream) connection = link->connection;
  }
  std::string_view rest = bytes;
  mqtt::Packet packet;
  while (Link* link = Find(connection)) {
    if (link->reader.Next(mqtt::kClientLimits, &rest, &packet) != mqtt::PacketReader::Result::kPacket) return;
    HandlePacket(*link, packet);
  }
}

void SimDevice::HandlePacket(Link& link, const mqtt::Packet& packet) {
  const bool is_current = &link == links_.back().get();
  if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
    if (connack->code != mqtt::ConnectCode::kAccepted) return;  // The edge closes; then it is tried again.
    world_.history().connections.at(link.connection).connack = universe_.queue.now();
    if (connack->session_present && has_subscribed_) {
      // Like Node and Python, it does not subscribe again in a session that is present.
      is_listening_ = is_listening_ || is_current;
      return;
    }
    mqtt::Subscribe subscribe;
    subscribe.packet_id = 1;
    subscribe.subscriptions.push_back({kMethodsFilter, 0});
    return Send(link, BytesOf(subscribe));
  }
  if (std::holds_alternative<mqtt::Suback>(packet)) {
    has_subscribed_ = !habits_.is_clean;
    is_listening_ = is_listening_ || is_current;
    return;
  }
  if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) HandleRequest(link, *publish);
}

void SimDevice::HandleRequest(const Link& link, const mqtt::Publish& publish) {
  const mqtt::HubTopic topic = mqtt::ParseHubTopic(publish.topic);
  if (topic.kind != mqtt::HubTopic::Kind::kMethodRequest) return;
  const int64_t job = JobOfMethod(topic.method);
  const std::string request_id(topic.request_id);
  const uint64_t call_id = mqtt::ParseCallId(request_id).value_or(0);
  world_.history().Target(job, index()).receipts.push_back({universe_.queue.now(), call_id, link.connection});
  universe_.Note("device received", job, index(), static_cast<int64_t>(link.connection));
  if (habits_.is_silent) return;
  const auto answer = [this, job, connection = link.connection, call_id, request_id] {
    Answer(job, connection, call_id, request_id);
  };
  After(habits_.answer_after, answer);
  if (habits_.answers_twice) After(habits_.answer_after + absl::Milliseconds(30), answer);
}

void SimDevice::Answer(int64_t job, uint64_t connection, uint64_t call_id, const std::string& request_id) {
  Link* link = Find(connection);
  if (link == nullptr && habits_.answers_elsewhere && is_listening_) link = links_.back().get();
  if (link == nullptr) return;
  SendAnswer(*link, job, call_id, request_id);
  if (!habits_.answers_for_others) return;
  // Never for itself: who answers what it has not received deceives nobody but itself, and no hub can tell.
  const std::optional<World::WrittenCall> other = world_.CallOfAnother(index());
  if (!other.has_value()) return;
  universe_.Note("device answers for another", other->job, index(), static_cast<int64_t>(connection), other->device);
  SendAnswer(*link, other->job, other->call_id, mqtt::FormatCallId(other->call_id));
}

void SimDevice::SendAnswer(const Link& link, int64_t job, uint64_t call_id, const std::string& request_id) {
  const std::string payload = absl::StrCat("{\"token\":", world_.NextToken(), "}");
  const int status = 200 + static_cast<int>(call_id % 3);
  world_.history()
      .Target(job, index())
      .replies.push_back({universe_.queue.now(), call_id, link.connection, status, payload});
  universe_.Note("device answers", job, index(), static_cast<int64_t>(link.connection), status);
  std::string bytes;
  mqtt::AppendMethodResponse(status, request_id, payload, std::nullopt, &bytes);
  Send(link, std::move(bytes));
}

}  // namespace fleetcast::sim
