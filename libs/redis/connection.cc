#include "libs/redis/connection.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fleetcast::redis {
namespace {

// `deadline` as time left from `now`, at least 1 ms because zero means "for ever" to hiredis.
timeval TimeLeft(absl::Duration now, absl::Duration deadline) {
  return absl::ToTimeval(std::max(deadline - now, absl::Milliseconds(1)));
}

// Appends one command in Redis' protocol (RESP): an array of bulk strings.
void AppendCommand(const std::vector<std::string>& arguments, std::string* bytes) {
  absl::StrAppend(bytes, "*", arguments.size(), "\r\n");
  for (const std::string& argument : arguments) {
    absl::StrAppend(bytes, "$", argument.size(), "\r\n", argument, "\r\n");
  }
}

// The first error in `from`, wherever it is, becomes that of `answer`.
Reply ToReply(const redisReply& from, Answer* answer) {
  Reply reply;
  switch (from.type) {
    case REDIS_REPLY_ERROR:
      if (answer->error.empty()) answer->error.assign(from.str, static_cast<size_t>(from.len));
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::kInteger;
      reply.integer = from.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = Reply::Kind::kText;
      reply.text.assign(from.str, static_cast<size_t>(from.len));
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::kArray;
      reply.elements.reserve(from.elements);
      for (size_t i = 0; i < from.elements; ++i) {
        reply.elements.push_back(ToReply(*from.element[i], answer));
      }
      break;
    default: break;
  }
  return reply;
}

}  // namespace

void Connection::Free::operator()(redisContext* context) const { redisFree(context); }

Connection::~Connection() = default;

void Connection::Close() { context_.reset(); }

absl::Status Connection::OpenTcp(const std::string& host, int port, absl::Duration deadline) {
  FLEETCAST_RETURN_IF_ERROR(Adopt(redisConnectWithTimeout(host.c_str(), port, TimeLeft(clock_.Monotonic(), deadline))));
  // Without keep-alive a peer that vanished without a word would look idle for ever.
  redisEnableKeepAlive(context_.get());
  return absl::OkStatus();
}

absl::Status Connection::OpenUnix(const std::string& path, absl::Duration deadline) {
  return Adopt(redisConnectUnixWithTimeout(path.c_str(), TimeLeft(clock_.Monotonic(), deadline)));
}

absl::Status Connection::Adopt(redisContext* context) {
  context_.reset(context);
  if (context == nullptr) return absl::ResourceExhaustedError("redis: out of memory");
  if (context->err != 0) return Broken("connect");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Answer>> Connection::Exchange(const Pipeline& pipeline, absl::Duration deadline) {
  if (!is_open()) return absl::UnavailableError("redis: not connected");
  FLEETCAST_RETURN_IF_ERROR(Write(pipeline, deadline));
  std::vector<Answer> answers;
  answers.reserve(pipeline.size());
  while (answers.size() < pipeline.size()) {
    FLEETCAST_ASSIGN_OR_RETURN(Answer answer, ReadAnswer(deadline));
    answers.push_back(std::move(answer));
  }
  return answers;
}

// Not by redisBufferWrite: hiredis 0.14 writes without MSG_NOSIGNAL, so that a closed connection would raise SIGPIPE.
absl::Status Connection::Write(const Pipeline& pipeline, absl::Duration deadline) {
  std::string bytes;
  for (const Pipeline::Command& command : pipeline.commands_) AppendCommand(command.arguments, &bytes);
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t sent =
        send(context_->fd, bytes.data() + written, bytes.size() - written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written += static_cast<size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      FLEETCAST_RETURN_IF_ERROR(Await(POLLOUT, deadline));
    } else if (errno != EINTR) {
      Close();
      return absl::UnavailableError("redis: cannot write: connection lost");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Answer> Connection::ReadAnswer(absl::Duration deadline) {
  void* raw = nullptr;
  while (true) {
    if (redisReaderGetReply(context_->reader, &raw) != REDIS_OK) return Broken("parse");
    if (raw != nullptr) break;
    FLEETCAST_RETURN_IF_ERROR(Await(POLLIN, deadline));
    if (redisBufferRead(context_.get()) != REDIS_OK) return Broken("read");
  }
  auto* reply = static_cast<redisReply*>(raw);
  Answer answer;
  answer.reply = ToReply(*reply, &answer);
  freeReplyObject(reply);
  return answer;
}

absl::Status Connection::Await(short event, absl::Duration deadline) {
  while (true) {
    const absl::Duration left = deadline - clock_.Monotonic();
    pollfd waiting = {context_->fd, event, 0};
    const int ready =
        left <= absl::ZeroDuration() ? 0 : poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno == EINTR) continue;
    // Answers may still come: this connection can never be in step again.
    Close();
    if (ready == 0) return absl::DeadlineExceededError("redis: no answer before the deadline");
    return absl::UnavailableError("redis: poll failed");
  }
}

absl::Status Connection::Broken(const char* doing) {
  const std::string why = context_->errstr;
  Close();
  return absl::UnavailableError(absl::StrCat("redis: cannot ", doing, ": ", why));
}

}  // namespace fleetcast::redis
