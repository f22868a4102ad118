#include "libs/websocket/server_stream.h"

#include <optional>

#include "libs/websocket/handshake.h"

namespace fleetcast::websocket {

size_t ServerStream::Upgrade(std::string_view bytes, std::string* answer) {
  if (state_ != State::kUpgrading) return 0;
  const size_t before = head_.size();
  head_.append(bytes.substr(0, kHeadBytesMax - before));
  if (!http::MayBeRequest(head_)) {
    Answer(Refusal(400, "this is not HTTP"), answer);
    return bytes.size();
  }
  const std::optional<size_t> end = http::FindHeadEnd(head_, before);
  if (!end) {
    if (head_.size() == kHeadBytesMax) Answer(Refusal(431, "the request is larger than 8 KiB"), answer);
    return bytes.size();
  }
  const std::optional<http::RequestHead> head = http::ParseRequestHead(std::string_view(head_).substr(0, *end));
  Answer(head ? Judge(*head) : Refusal(400, "the request is not well-formed HTTP"), answer);
  return *end - before;
}

std::string_view ServerStream::Receive(char* bytes, size_t size, std::string* answers) {
  if (state_ != State::kOpen) return {};
  const size_t payload = decoder_.Decode(bytes, size, answers);
  if (decoder_.is_closed()) state_ = State::kClosed;
  return {bytes, payload};
}

void ServerStream::Answer(const Decision& decision, std::string* answer) {
  AppendAnswer(decision, answer);
  http_status_ = decision.status;
  state_ = decision.status == 101 ? State::kOpen : State::kClosed;
  std::string().swap(head_);
}

void ServerStream::Frame(std::string* out, size_t at) const {
  const size_t payload_bytes = out->size() - at;
  if (payload_bytes == 0) return;
  char header[kServerHeaderBytesMax];
  out->insert(at, header, WriteFrameHeader(Opcode::kBinary, payload_bytes, header));
}

void ServerStream::Close(CloseCode code, std::string* answers) {
  if (state_ == State::kOpen) AppendClose(code, answers);
  state_ = State::kClosed;
}

}  // namespace fleetcast::websocket
