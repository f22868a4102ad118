#include "libs/redis/client.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/redis/connection.h"

namespace fleetcast::redis {
namespace {

// Error replies that say "not now" rather than "your command is wrong".
constexpr const char* kTransientErrors[] = {"LOADING ", "READONLY ",    "MASTERDOWN ", "BUSY ",
                                            "OOM ",     "CLUSTERDOWN ", "TRYAGAIN ",   "MISCONF "};

absl::Status ToStatus(const std::string& error) {
  for (const char* prefix : kTransientErrors) {
    if (absl::StartsWith(error, prefix)) return absl::UnavailableError(absl::StrCat("redis: ", error));
  }
  return absl::InternalError(absl::StrCat("redis: ", error));
}

bool IsMissingScript(const Answer& answer) { return absl::StartsWith(answer.error, "NOSCRIPT"); }

absl::StatusOr<std::vector<Reply>> ToReplies(std::vector<Answer> answers) {
  std::vector<Reply> replies;
  replies.reserve(answers.size());
  for (Answer& answer : answers) {
    if (!answer.error.empty()) return ToStatus(answer.error);
    replies.push_back(std::move(answer.reply));
  }
  return replies;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(Options options, Clock& clock) {
  Endpoint endpoint;
  absl::string_view address = options.address;
  if (absl::ConsumePrefix(&address, "unix:")) {
    endpoint.path = std::string(address);
    if (endpoint.path.empty()) return absl::InvalidArgumentError("redis address: no path after unix:");
    return std::unique_ptr<Client>(new Client(std::move(options), std::move(endpoint), clock));
  }
  const size_t colon = address.rfind(':');
  absl::string_view host = colon == absl::string_view::npos ? "" : address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  endpoint.host = std::string(host);
  if (host.empty() || !absl::SimpleAtoi(address.substr(colon + 1), &endpoint.port) || endpoint.port < 1 ||
      endpoint.port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("redis address must be host:port or unix:/path, not '", options.address, "'"));
  }
  return std::unique_ptr<Client>(new Client(std::move(options), std::move(endpoint), clock));
}

Client::Client(Options options, Endpoint endpoint, Clock& clock)
    : options_(std::move(options)), endpoint_(std::move(endpoint)), clock_(clock), breaker_(options_.breaker) {
  for (int i = 0; i < std::max(options_.connections, 1); ++i) idle_.push_back(std::make_unique<Connection>(clock_));
}

Client::~Client() = default;

absl::StatusOr<std::vector<Reply>> Client::Run(const Pipeline& pipeline, absl::Duration timeout) {
  if (pipeline.empty()) return std::vector<Reply>();
  if (pipeline.size() > Pipeline::kCommandsMax) {
    return absl::InvalidArgumentError(absl::StrCat("redis: a pipeline of ", pipeline.size(), " commands"));
  }
  const absl::Duration deadline = clock_.Monotonic() + timeout;
  FLEETCAST_ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, Borrow(deadline));
  // Only a connection that was open before can be stale (Redis restarted meanwhile): worth one more try.
  const bool was_open = connection->is_open();
  absl::StatusOr<std::vector<Reply>> replies = RunOn(*connection, pipeline, deadline);
  if (was_open && !connection->is_open() && absl::IsUnavailable(replies.status())) {
    replies = RunOn(*connection, pipeline, deadline);
  }
  Return(std::move(connection), replies.status());
  return replies;
}

absl::StatusOr<std::unique_ptr<Connection>> Client::Borrow(absl::Duration deadline) {
  std::unique_lock<Mutex> lock(mutex_);
  const absl::Duration patience = std::max(deadline - clock_.Monotonic(), absl::ZeroDuration());
  if (!returned_.wait_for(lock, absl::ToChronoNanoseconds(patience), [this] { return !idle_.empty(); })) {
    return absl::DeadlineExceededError("redis: all connections are busy");
  }
  if (!breaker_.Allow(clock_.Monotonic())) return absl::UnavailableError("redis: down a moment ago, not asked again");
  std::unique_ptr<Connection> connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void Client::Return(std::unique_ptr<Connection> connection, const absl::Status& outcome) {
  {
    MutexLock lock(mutex_);
    if (absl::IsUnavailable(outcome) || absl::IsDeadlineExceeded(outcome)) {
      breaker_.OnFailure(clock_.Monotonic());
    } else {
      breaker_.OnSuccess();
    }
    idle_.push_back(std::move(connection));
  }
  returned_.notify_one();
}

absl::Status Client::Open(Connection& connection, absl::Duration deadline) {
  const absl::Duration limit = std::min(deadline, clock_.Monotonic() + options_.connect_timeout);
  FLEETCAST_RETURN_IF_ERROR(endpoint_.path.empty() ? connection.OpenTcp(endpoint_.host, endpoint_.port, limit)
                                                   : connection.OpenUnix(endpoint_.path, limit));
  if (options_.password.empty()) return absl::OkStatus();
  Pipeline login;
  login.Add(options_.user.empty() ? std::vector<std::string>{"AUTH", options_.password}
                                  : std::vector<std::string>{"AUTH", options_.user, options_.password});
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<Answer> answers, connection.Exchange(login, limit));
  if (answers.front().error.empty()) return absl::OkStatus();
  connection.Close();
  return absl::UnavailableError("redis: the password was refused");
}

absl::StatusOr<std::vector<Reply>> Client::RunOn(Connection& connection, const Pipeline& pipeline,
                                                 absl::Duration deadline) {
  if (!connection.is_open()) FLEETCAST_RETURN_IF_ERROR(Open(connection, deadline));
  const bool has_scripts = std::any_of(pipeline.commands_.begin(), pipeline.commands_.end(),
                                       [](const Pipeline::Command& command) { return command.script != nullptr; });
  if (has_scripts) return RunScripts(connection, pipeline, deadline);
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Answer> answers, connection.Exchange(pipeline, deadline));
  return ToReplies(std::move(answers));
}

// EVALSHA; the commands whose script Redis did not know (restart, SCRIPT FLUSH) run again after loading it. They have
// had no effect, but they now run after the rest of their pipeline.
absl::StatusOr<std::vector<Reply>> Client::RunScripts(Connection& connection, Pipeline pipeline,
                                                      absl::Duration deadline) {
  for (Pipeline::Command& command : pipeline.commands_) {
    if (command.script == nullptr) continue;
    FLEETCAST_ASSIGN_OR_RETURN(command.arguments[1], DigestOf(connection, *command.script, false, deadline));
  }
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Answer> answers, connection.Exchange(pipeline, deadline));
  if (std::none_of(answers.begin(), answers.end(), IsMissingScript)) return ToReplies(std::move(answers));

  Pipeline again;
  std::vector<size_t> positions;
  absl::flat_hash_map<const Script*, std::string> loaded;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!IsMissingScript(answers[i])) continue;
    Pipeline::Command& command = pipeline.commands_[i];
    if (!loaded.contains(command.script)) {
      FLEETCAST_ASSIGN_OR_RETURN(loaded[command.script], DigestOf(connection, *command.script, true, deadline));
    }
    again.commands_.push_back(std::move(command));
    positions.push_back(i);
  }
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Answer> second, connection.Exchange(again, deadline));
  for (size_t i = 0; i < positions.size(); ++i) answers[positions[i]] = std::move(second[i]);
  return ToReplies(std::move(answers));
}

absl::StatusOr<std::string> Client::DigestOf(Connection& connection, const Script& script, bool reload,
                                             absl::Duration deadline) {
  if (!reload) {
    MutexLock lock(mutex_);
    if (const auto known = digests_.find(&script); known != digests_.end()) return known->second;
  }
  Pipeline load;
  load.Add({"SCRIPT", "LOAD", script.source()});
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Answer> answers, connection.Exchange(load, deadline));
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Reply> replies, ToReplies(std::move(answers)));
  MutexLock lock(mutex_);
  digests_[&script] = replies.front().text;
  return replies.front().text;
}

}  // namespace fleetcast::redis
