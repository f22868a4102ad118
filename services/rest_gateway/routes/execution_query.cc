#include "services/rest_gateway/routes/execution_query.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/query/interpreter.h"
#include "libs/query/job_filter.h"
#include "libs/query/rows.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/routes/execution_wire.h"
#include "services/rest_gateway/routes/job_wire.h"
#include "services/rest_gateway/routes/page.h"

namespace fleetcast::rest_gateway {
namespace {

using JobAsync = jobs::v1::JobService::StubInterface::async_interface;

// How many answers of job_api one page takes at most while its rows are few. Then it is answered short or empty, with a
// token, which clients know.
constexpr int kReadsMax = 40;
// The same for an aggregate query, which cannot be answered in parts: a million records.
constexpr int kCountReadsMax = 1'000;
constexpr int kCountPageSize = 1'000;
constexpr int64_t kNoTop = std::numeric_limits<int64_t>::max();
constexpr absl::Duration kTokenLife = absl::Hours(24);

// Where a page begins.
struct Position {
  int64_t left = kNoTop;   // Rows that TOP still allows.
  std::string jobs_token;  // All jobs: of the job after `job_id`.
  std::string executions_token;
  std::string job_id;  // All jobs: the one that is being read; empty = take the next.
};

absl::StatusOr<Position> OpenPosition(const ExecutionQuery& query, const PageTokens& tokens, absl::Time now) {
  Position position;
  position.left = query.query.top.value_or(kNoTop);
  if (query.page.token.empty()) return position;
  FLEETCAST_ASSIGN_OR_RETURN(const std::string text, tokens.Open(query.page.token, {"devices.jobs", query.text}));
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 4));
  int64_t expiry = 0;
  const bool is_good =
      parts.size() == 5 && absl::SimpleAtoi(parts[0], &position.left) && absl::SimpleAtoi(parts[1], &expiry);
  if (!is_good || absl::FromUnixSeconds(expiry) <= now) {
    return BadRequest(kArgumentInvalid, "the continuation token is too old; start again without it");
  }
  position.jobs_token = parts[2];
  position.executions_token = parts[3];
  position.job_id = parts[4];
  return position;
}

std::string SealPosition(const Position& position, const ExecutionQuery& query, const PageTokens& tokens,
                         absl::Time now) {
  const int64_t expiry = absl::ToUnixSeconds(now + kTokenLife);
  return tokens.Seal(absl::StrCat(position.left, " ", expiry, " ", position.jobs_token, " ", position.executions_token,
                                  " ", position.job_id),
                     {"devices.jobs", query.text});
}

// Reads pages of executions until one is full. Owned by the call it waits for; one call at a time.
class ExecutionReader : public std::enable_shared_from_this<ExecutionReader> {
 public:
  ExecutionReader(ExchangePtr exchange, JobStub& jobs, const PageTokens& tokens, ExecutionQuery query,
                  ExecutionPlan plan, Position position, absl::Time now)
      : exchange_(std::move(exchange)),
        jobs_(jobs),
        tokens_(tokens),
        query_(std::move(query)),
        plan_(std::move(plan)),
        position_(std::move(position)),
        now_(now),
        limit_(static_cast<size_t>(std::min<int64_t>(query_.page.size, position_.left))) {}

  void Read() {
    if (CountsOneJob()) return ReadStatistics();
    if (++reads_ > (is_aggregate() ? kCountReadsMax : kReadsMax)) return Pause();
    if (plan_.reads_all_jobs() && position_.job_id.empty()) return ReadJob();
    ReadExecutions();
  }

 private:
  bool is_aggregate() const { return query_.query.is_aggregate(); }

  // A job knows its own counts, however many records it has.
  bool CountsOneJob() const {
    const jobs::v1::ListExecutionsRequest& request = plan_.request;
    return is_aggregate() && !plan_.residual && !request.job_id().empty() && request.device_id().empty() &&
           request.action_kind() == jobs::v1::ACTION_KIND_UNSPECIFIED;
  }

  void ReadStatistics() {
    jobs::v1::GetJobRequest request;
    request.set_job_id(plan_.request.job_id());
    CallBackend(*exchange_, kQueryLimit, "fleetcast.jobs.v1.JobService/GetJob", jobs_.async(), &JobAsync::GetJob,
                std::move(request), [self = shared_from_this()](const absl::StatusOr<jobs::v1::GetJobResponse>& job) {
                  if (!job.ok() && !absl::IsNotFound(job.status())) return self->exchange_->Fail(job.status());
                  if (job.ok()) self->TakeStatistics(job->job().statistics());
                  self->End();
                });
  }

  void TakeStatistics(const jobs::v1::JobStatistics& statistics) {
    using jobs::v1::Execution;
    const std::pair<Execution::State, int64_t> counts[] = {
        {Execution::STATE_PENDING, statistics.pending()},     {Execution::STATE_RUNNING, statistics.running()},
        {Execution::STATE_SUCCEEDED, statistics.succeeded()}, {Execution::STATE_FAILED, statistics.failed()},
        {Execution::STATE_TIMED_OUT, statistics.timed_out()}, {Execution::STATE_CANCELED, statistics.canceled()}};
    const auto& states = plan_.request.states();
    for (const auto& [state, count] : counts) {
      const bool is_wanted = states.empty() || std::find(states.begin(), states.end(), state) != states.end();
      if (is_wanted && count > 0) counts_[std::string(StatusName(state))] += count;
    }
  }

  void ReadJob() {
    jobs::v1::ListJobsRequest request;
    request.set_page_size(1);
    request.set_page_token(position_.jobs_token);
    request.set_action_kind(plan_.request.action_kind());
    CallOrFail(exchange_, kQueryLimit, "fleetcast.jobs.v1.JobService/ListJobs", jobs_.async(), &JobAsync::ListJobs,
               std::move(request), [self = shared_from_this()](const jobs::v1::ListJobsResponse& response) {
                 if (response.jobs().empty()) return self->End();
                 self->position_.job_id = response.jobs(0).id();
                 self->position_.jobs_token = response.next_page_token();
                 self->Read();
               });
  }

  void ReadExecutions() {
    jobs::v1::ListExecutionsRequest request = plan_.request;
    if (plan_.reads_all_jobs()) request.set_job_id(position_.job_id);
    request.set_page_size(is_aggregate() ? kCountPageSize : static_cast<int>(limit_ - rows_.size()));
    request.set_page_token(position_.executions_token);
    CallOrFail(exchange_, kQueryLimit, "fleetcast.jobs.v1.JobService/ListExecutions", jobs_.async(),
               &JobAsync::ListExecutions, std::move(request),
               [self = shared_from_this()](const jobs::v1::ListExecutionsResponse& response) { self->Take(response); });
  }

  void Take(const jobs::v1::ListExecutionsResponse& response) {
    for (const jobs::v1::Execution& execution : response.executions()) TakeRow(PrintExecution(execution));
    position_.executions_token = response.next_page_token();
    bool is_last = response.next_page_token().empty();
    if (is_last && plan_.reads_all_jobs()) {
      position_.job_id.clear();
      is_last = position_.jobs_token.empty();
    }
    if (is_last || (!is_aggregate() && position_.left == 0)) return End();
    if (!is_aggregate() && rows_.size() == limit_) return Pause();
    Read();
  }

  void TakeRow(std::string row) {
    const bool needs_document = plan_.residual || is_aggregate() || !query_.query.items.empty();
    if (needs_document) {
      const absl::StatusOr<json::Value> document = json::Parse(row);
      if (!document.ok() || (plan_.residual && !query::Matches(*plan_.residual, *document))) return;
      if (is_aggregate()) {
        ++counts_[document->Find("status")->AsString()];
        return;
      }
      if (!query_.query.items.empty()) row = json::Print(query::Project(query_.query.items, *document));
    }
    rows_.push_back(std::move(row));
    if (position_.left != kNoTop) --position_.left;
  }

  // There is nothing more.
  void End() {
    if (is_aggregate()) CountRows();
    Answer("");
  }

  // There may be more: for the next request.
  void Pause() {
    if (is_aggregate()) {
      return exchange_->Fail(BadRequest(
          kArgumentInvalid, "more than 1,000,000 job records would have to be counted; say devices.jobs.jobId = '…'"));
    }
    Answer(SealPosition(position_, query_, tokens_, now_));
  }

  void CountRows() {
    const std::vector<query::AggregateState> states(query_.query.items.size());
    if (query_.query.group_by.empty()) {
      int64_t total = 0;
      for (const auto& [status, count] : counts_) total += count;
      rows_.push_back(json::Print(query::GroupRow(query_.query, {}, total, states)));
    } else {
      for (const auto& [status, count] : counts_) {
        const std::vector<std::optional<json::Value>> keys(query_.query.group_by.size(), json::Value::String(status));
        rows_.push_back(json::Print(query::GroupRow(query_.query, keys, count, states)));
      }
    }
    if (static_cast<int64_t>(rows_.size()) > position_.left) rows_.resize(static_cast<size_t>(position_.left));
  }

  void Answer(std::string_view token) {
    AnswerPage(*exchange_, JsonArray(rows_), token, query_.query.items.empty() ? kDeviceJobRows : kRawRows);
  }

  const ExchangePtr exchange_;
  JobStub& jobs_;
  const PageTokens& tokens_;
  const ExecutionQuery query_;
  const ExecutionPlan plan_;
  Position position_;
  const absl::Time now_;
  const size_t limit_;
  std::vector<std::string> rows_;
  std::map<std::string, int64_t> counts_;  // By status.
  int reads_ = 0;
};

}  // namespace

ExecutionPlan PlanExecutions(const query::Query& query) {
  const query::JobFilter filter = query::SplitJobFilter(query.where);
  ExecutionPlan plan;
  plan.residual = filter.residual;
  plan.is_empty = filter.is_empty;
  plan.request.set_job_id(filter.job_id.value_or(""));
  plan.request.set_device_id(filter.device_id.value_or(""));
  plan.is_empty |= filter.job_id == "" || filter.device_id == "";
  if (filter.job_type) {
    const absl::StatusOr<JobFilterValues> type = ParseJobFilters(*filter.job_type, "");
    plan.is_empty |= !type.ok() || type->is_empty;
    if (type.ok()) plan.request.set_action_kind(type->kind);
  }
  if (filter.status) {
    const std::vector<jobs::v1::Execution::State> states = StatesOfStatus(*filter.status);
    plan.is_empty |= states.empty();
    plan.request.mutable_states()->Add(states.begin(), states.end());
  }
  return plan;
}

void RunExecutionQuery(const ExchangePtr& exchange, JobStub& jobs, const PageTokens& tokens, ExecutionQuery query,
                       absl::Time now) {
  absl::StatusOr<Position> position = OpenPosition(query, tokens, now);
  if (!position.ok()) return exchange->Fail(position.status());
  ExecutionPlan plan = PlanExecutions(query.query);
  if (plan.is_empty && !query.query.is_aggregate()) {
    return AnswerPage(*exchange, "[]", "", query.query.items.empty() ? kDeviceJobRows : kRawRows);
  }
  // An aggregate has its row also when nothing can fit: then nothing is read that could.
  if (plan.is_empty) plan.residual = query.query.where;
  std::make_shared<ExecutionReader>(exchange, jobs, tokens, std::move(query), std::move(plan), *std::move(position),
                                    now)
      ->Read();
}

}  // namespace fleetcast::rest_gateway
