// What waits to be written to one stream: bounded in messages and in bytes.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

namespace fleetcast::rpc {

struct OutboxLimits {
  size_t messages_max = 1024;
  size_t bytes_max = 16 << 20;  // Serialised size; one message is always taken, however large.
};

// Not thread-safe: the stream that owns it has the lock.
template <typename Message>
class Outbox {
 public:
  explicit Outbox(const OutboxLimits& limits) : limits_(limits) {}

  // Appends `message`. False, and no effect, when a bound would be exceeded.
  bool TryPush(Message&& message) {
    const size_t bytes = message.ByteSizeLong();
    if (messages_.size() >= limits_.messages_max) return false;
    if (!messages_.empty() && bytes_ + bytes > limits_.bytes_max) return false;
    bytes_ += bytes;
    messages_.emplace_back(std::move(message), bytes);
    return true;
  }

  // Removes and returns the oldest message; there must be one.
  Message Pop() {
    Message message = std::move(messages_.front().first);
    bytes_ -= messages_.front().second;
    messages_.pop_front();
    return message;
  }

  void Clear() {
    messages_.clear();
    bytes_ = 0;
  }

  bool empty() const { return messages_.empty(); }
  size_t size() const { return messages_.size(); }

 private:
  const OutboxLimits limits_;
  std::deque<std::pair<Message, size_t>> messages_;
  size_t bytes_ = 0;
};

}  // namespace fleetcast::rpc
