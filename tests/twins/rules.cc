#include "tests/twins/rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/json/twin_rules.h"
#include "tests/twins/chain.h"

namespace fleetcast::twin_history {
namespace {

constexpr absl::Duration kForever = absl::InfiniteDuration();

// One twin's part of a history, and the walk along its versions.
class TwinCheck {
 public:
  TwinCheck(const History& history, const Snapshot& initial, std::vector<Violation>& violations)
      : device_(initial.device), violations_(violations) {
    Add(initial, nullptr);
    for (const Operation& operation : history.operations) {
      if (operation.device != device_) continue;
      operations_.push_back(&operation);
      if (operation.after.has_value()) Add(*operation.after, &operation);
    }
    for (const Snapshot& read : history.reads) {
      if (read.device == device_) Add(read, nullptr);
    }
    for (const FeedChange& change : history.feed) {
      if (change.device == device_) feed_.push_back(&change);
    }
    std::stable_sort(moments_.begin(), moments_.end(),
                     [](const Moment& a, const Moment& b) { return a.snapshot->version < b.snapshot->version; });
  }

  void Run() {
    FindFirstShown();
    FindFed();
    for (size_t i = 0; i + 1 < moments_.size(); ++i) Follow(moments_[i], moments_[i + 1]);
    CheckAllUsed();
    CheckReportedOrder();
    CheckConditions();
    CheckTime();
    CheckLimits();
    CheckFeed();
  }

 private:
  // A known state; `writer` is the write whose answer it is, or nullptr for a read.
  struct Moment {
    const Snapshot* snapshot;
    const Operation* writer;
  };

  void Add(const Snapshot& snapshot, const Operation* writer) { moments_.push_back({&snapshot, writer}); }

  template <typename... Parts>
  void Violate(const char* rule, const Parts&... parts) {
    violations_.push_back({rule, absl::StrCat(device_, ": ", parts...)});
  }

  static bool IsPlaced(const Operation& operation) {
    return operation.result == Result::kOk && operation.kind != Kind::kJob;
  }

  // Where each write whose place is unknown can be seen first; a refused one must be seen nowhere.
  void FindFirstShown() {
    for (const Operation* operation : operations_) {
      if (IsPlaced(*operation)) continue;
      const auto shown = std::find_if(moments_.begin(), moments_.end(), [operation](const Moment& moment) {
        return Shows(*moment.snapshot, *operation);
      });
      if (shown == moments_.end()) continue;
      if (operation->result == Result::kRefused) {
        Violate("T1", "a refused write is there at version ", shown->snapshot->version, ": ", operation->token);
      }
      first_shown_[operation] = shown->snapshot->version;
    }
  }

  // Which write each change of the feed was. The feed tells every write of desired; Follow finds out whether that is
  // true.
  void FindFed() {
    std::map<std::string, const Operation*> by_token;
    for (const Operation* operation : operations_) by_token[operation->token] = operation;
    for (const FeedChange* change : feed_) {
      const json::Value* token = change->patch.Find(kSharedKey);
      const auto found = token == nullptr || !token->is_string() ? by_token.end() : by_token.find(token->AsString());
      if (found == by_token.end()) {
        Violate("T5", "the feed told a change that nobody made, version ", change->version);
        continue;
      }
      const Operation* operation = found->second;
      const bool is_placed = operation->after.has_value();
      const auto [place, is_new] = fed_.emplace(operation, change->version);
      if (place->second != change->version || (is_placed && operation->after->desired_version != change->version)) {
        Violate("T8", "one write is there twice: ", operation->token, ", version ", change->version);
      }
      writer_of_[change->version] = operation;
    }
  }

  // The writes that nobody was told the place of and that may stand between `a` and `b`. The order of those that write
  // desired is what the feed told.
  Candidates Between(bool is_reported, const Snapshot& a, const Snapshot& b) const {
    Candidates candidates;
    for (const Operation* operation : operations_) {
      if (IsPlaced(*operation) || operation->result == Result::kRefused || used_.contains(operation)) continue;
      if ((operation->kind == Kind::kReported) != is_reported || fed_.contains(operation)) continue;
      const absl::Duration end = operation->result == Result::kUnknown ? kForever : operation->end;
      if (operation->begin > b.end || end < a.begin) continue;
      const auto shown = first_shown_.find(operation);
      if (shown == first_shown_.end()) {
        candidates.optional.push_back(operation);
      } else if (shown->second == b.version) {
        candidates.required.push_back(operation);
      }
    }
    for (int64_t version = a.desired_version + 1; !is_reported && version <= b.desired_version; ++version) {
      const auto writer = writer_of_.find(version);
      if (writer != writer_of_.end() && !IsPlaced(*writer->second)) candidates.ordered.push_back(writer->second);
    }
    return candidates;
  }

  void Follow(const Moment& from, const Moment& to) {
    const Snapshot& a = *from.snapshot;
    const Snapshot& b = *to.snapshot;
    if (a.version == b.version) {
      const State x = StateOf(a), y = StateOf(b);
      if (!SameServiceSide(x, y) || !SameReported(x, y)) Violate("T4", "two states have version ", a.version);
      if (from.writer != nullptr && to.writer != nullptr) {
        Violate("T2", "two writes were answered with version ", a.version, ": ", from.writer->token, ", ",
                to.writer->token);
      }
      return;
    }
    const int64_t writes = b.etag - a.etag, reports = b.reported_version - a.reported_version;
    if (writes < 0 || reports < 0 || writes + reports != b.version - a.version) {
      Violate("T2", "from version ", a.version, " to ", b.version, ": ", writes, " writes of services, ", reports,
              " of the device");
      return;
    }
    FollowServices(a, b, writes, to.writer);
    FollowReported(a, b, reports);
    if (to.writer != nullptr) CheckMetadata(b, *to.writer);
  }

  void FollowServices(const Snapshot& a, const Snapshot& b, int64_t writes, const Operation* last) {
    Slots slots(static_cast<size_t>(writes), nullptr);
    if (last != nullptr) {
      if (slots.empty()) return Violate("T2", "a write raised no etag: ", last->token);
      slots.back() = last;
    }
    Fill(false, a, b, slots, [&b](const State& state) { return SameServiceSide(state, StateOf(b)); });
  }

  void FollowReported(const Snapshot& a, const Snapshot& b, int64_t reports) {
    Slots slots(static_cast<size_t>(reports), nullptr);
    for (const Operation* operation : operations_) {
      if (operation->kind != Kind::kReported || operation->result != Result::kOk) continue;
      const int64_t at = operation->reported_version - a.reported_version - 1;
      if (at < 0 || at >= reports) continue;
      if (slots[static_cast<size_t>(at)] != nullptr) {
        Violate("T7", "two patches were acknowledged with reported version ", operation->reported_version);
      }
      slots[static_cast<size_t>(at)] = operation;
    }
    Fill(true, a, b, slots, [&b](const State& state) { return SameReported(state, StateOf(b)); });
  }

  void Fill(bool is_reported, const Snapshot& a, const Snapshot& b, Slots& slots,
            const std::function<bool(const State&)>& is_target) {
    const Candidates candidates = Between(is_reported, a, b);
    const size_t open = static_cast<size_t>(std::count(slots.begin(), slots.end(), nullptr));
    if (FillSlots(StateOf(a), slots, candidates, is_target)) {
      used_.insert(slots.begin(), slots.end());
      return;
    }
    Violate("T1", "no order of writes leads from version ", a.version, " to ", b.version, " (", slots.size(),
            " writes, ", open, " of unknown place; ", candidates.ordered.size(), " told by the feed, ",
            candidates.required.size(), " that must and ", candidates.optional.size(), " that may be there)");
  }

  // Every write that was said to be done was found, once.
  void CheckAllUsed() {
    for (const Operation* operation : operations_) {
      if (operation->result != Result::kOk || used_.contains(operation)) continue;
      Violate(operation->kind == Kind::kJob ? "T8" : "T1",
              "a write that was said to be done is not there: ", operation->token);
    }
  }

  void CheckReportedOrder() {
    std::map<int64_t, const Operation*> by_version;
    for (const Operation* operation : operations_) {
      if (operation->kind == Kind::kReported && operation->result == Result::kOk) {
        by_version[operation->reported_version] = operation;
      }
    }
    int64_t epoch = 0;
    for (const auto& [version, operation] : by_version) {
      if (operation->epoch < epoch) {
        Violate("T10", "reported version ", version, " is of session ", operation->epoch, " after one of ", epoch);
      }
      epoch = std::max(epoch, operation->epoch);
    }
  }

  void CheckConditions() {
    for (const Operation* operation : operations_) {
      if (operation->if_etag == 0 || !operation->after.has_value()) continue;
      if (operation->after->etag != operation->if_etag + 1) {
        Violate("T3", "a write bound to etag ", operation->if_etag, " became etag ", operation->after->etag);
      }
    }
  }

  // What a call saw is not older than what was answered before it began.
  void CheckTime() {
    std::vector<Moment> by_begin = moments_, by_end = moments_;
    std::sort(by_begin.begin(), by_begin.end(),
              [](const Moment& a, const Moment& b) { return a.snapshot->begin < b.snapshot->begin; });
    std::sort(by_end.begin(), by_end.end(),
              [](const Moment& a, const Moment& b) { return a.snapshot->end < b.snapshot->end; });
    int64_t answered = 0;
    auto ended = by_end.begin();
    for (const Moment& moment : by_begin) {
      for (; ended != by_end.end() && ended->snapshot->end < moment.snapshot->begin; ++ended) {
        answered = std::max(answered, ended->snapshot->version);
      }
      const int64_t least = moment.writer == nullptr ? answered : answered + 1;
      if (moment.snapshot->version < least) {
        Violate("T4", "a call saw version ", moment.snapshot->version, " after another had been answered ", answered);
      }
    }
  }

  void CheckMetadata(const Snapshot& state, const Operation& writer) {
    const json::Value* desired = state.desired.Find(writer.key);
    if (desired == nullptr || !writer.desired.has_value() || writer.desired->Find(writer.key) == nullptr) return;
    const json::Value* own = state.desired_metadata.FindPath({writer.key, "$lastUpdatedVersion"});
    const json::Value* root = state.desired_metadata.Find("$lastUpdatedVersion");
    for (const json::Value* version : {own, root}) {
      if (version != nullptr && version->AsInt() == state.desired_version) continue;
      Violate("T2", "$lastUpdatedVersion at version ", state.version, " is not that of the write that is there");
    }
  }

  void CheckLimits() {
    for (const Moment& moment : moments_) {
      const Snapshot& s = *moment.snapshot;
      if (json::TwinSize(s.tags) > json::kTagsSizeMax || json::TwinSize(s.desired) > json::kPropertiesSizeMax ||
          json::TwinSize(s.reported) > json::kPropertiesSizeMax) {
        return Violate("T9", "version ", s.version, " is over a limit");
      }
    }
  }

  // The desired changes, in the order of their versions, none left out, lead to the last state.
  void CheckFeed() {
    const Snapshot& first = *moments_.front().snapshot;
    json::Value desired = first.desired;
    int64_t version = first.desired_version;
    for (const FeedChange* change : feed_) {
      if (change->version <= version) continue;
      if (change->version != version + 1) {
        return Violate("T5", "the feed told version ", change->version, " after ", version);
      }
      desired = Merged(desired, change->patch);
      version = change->version;
    }
    const Snapshot& last = *moments_.back().snapshot;
    if (version != last.desired_version || !(desired == last.desired)) {
      Violate("T5", "what the feed told ends at version ", version, ", the twin is at ", last.desired_version,
              desired == last.desired ? "" : ", and they differ");
    }
  }

  std::string device_;
  std::vector<Violation>& violations_;
  std::vector<Moment> moments_;
  std::vector<const Operation*> operations_;
  std::vector<const FeedChange*> feed_;
  std::map<const Operation*, int64_t> first_shown_;
  std::map<const Operation*, int64_t> fed_;        // The desired versions that the feed told.
  std::map<int64_t, const Operation*> writer_of_;  // The same the other way round.
  std::set<const Operation*> used_;
};

}  // namespace

std::vector<Violation> Check(const History& history) {
  std::vector<Violation> violations;
  for (const Snapshot& initial : history.initial) TwinCheck(history, initial, violations).Run();
  return violations;
}

}  // namespace fleetcast::twin_history
