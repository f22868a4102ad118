#include "services/rest_gateway/routes/jobs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/routes/job_wire.h"
#include "services/rest_gateway/routes/page.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using JobAsync = jobs::v1::JobService::StubInterface::async_interface;

// The 2016 preview pages in the query string.
PageRequest ListPage(const Exchange& exchange) {
  if (exchange.dialect() == Dialect::kGa) return PageFromHeaders(exchange.request());
  PageRequest page;
  int size = 0;
  if (absl::SimpleAtoi(Absl(exchange.request().FindQuery("pagesize").value_or("")), &size)) {
    page.size = std::clamp(size, 1, kPageSizeMax);
  }
  page.token = std::string(exchange.request().FindQuery("continuationtoken").value_or(""));
  return page;
}

}  // namespace

void JobRoutes::Create(const ExchangePtr& exchange) const {
  const absl::StatusOr<json::Value> body = ParseObjectBody(exchange->request());
  if (!body.ok()) return exchange->Fail(body.status());
  absl::StatusOr<jobs::v1::Job> job = ParseJob(exchange->captured(0), *body);
  if (!job.ok()) return exchange->Fail(job.status());
  jobs::v1::CreateJobRequest request;
  *request.mutable_job() = *std::move(job);
  request.set_accept_invalid_condition(true);  // As on IoT Hub: the job fails later, and says why.
  CallOrFail(exchange, kWriteLimit, "fleetcast.jobs.v1.JobService/CreateJob", backends_.jobs().async(),
             &JobAsync::CreateJob, std::move(request), [exchange](const jobs::v1::CreateJobResponse& response) {
               const bool is_method = response.job().has_invoke_method();
               exchange->Answer(ObjectWriter()
                                    .Text("jobId", response.job().id())
                                    .Text("type", TypeName(is_method ? jobs::v1::ACTION_KIND_INVOKE_METHOD
                                                                     : jobs::v1::ACTION_KIND_UPDATE_TWIN))
                                    .Text("status", "queued")
                                    .Finish());
             });
}

void JobRoutes::Get(const ExchangePtr& exchange) const {
  jobs::v1::GetJobRequest request;
  request.set_job_id(exchange->captured(0));
  CallBackend(*exchange, kReadLimit, "fleetcast.jobs.v1.JobService/GetJob", backends_.jobs().async(), &JobAsync::GetJob,
              std::move(request), [exchange](const absl::StatusOr<jobs::v1::GetJobResponse>& response) {
                if (response.ok()) return exchange->Answer(PrintJob(response->job()));
                // IoT Hub says 200 here, and the Azure CLI depends on it.
                const bool is_unknown = GetReason(response.status()) == reasons::kJobNotFound;
                if (is_unknown && exchange->dialect() == Dialect::kGa) {
                  return exchange->Answer(PrintUnknownJob(exchange->captured(0)));
                }
                exchange->Fail(response.status());
              });
}

void JobRoutes::Cancel(const ExchangePtr& exchange) const {
  jobs::v1::CancelJobRequest request;
  request.set_job_id(exchange->captured(0));
  request.set_reject_running(reject_cancel_running_);
  CallOrFail(exchange, kWriteLimit, "fleetcast.jobs.v1.JobService/CancelJob", backends_.jobs().async(),
             &JobAsync::CancelJob, std::move(request), [exchange](const jobs::v1::CancelJobResponse& response) {
               // Outcomes of what was sent may still come in; a later GET says `running` until they are all known.
               exchange->Answer(PrintJob(response.job(), "cancelled"));
             });
}

void JobRoutes::List(const ExchangePtr& exchange) const {
  const http::Request& request = exchange->request();
  const absl::StatusOr<JobFilterValues> filters =
      ParseJobFilters(request.FindQuery("jobtype").value_or(""), request.FindQuery("jobstatus").value_or(""));
  if (!filters.ok()) return exchange->Fail(filters.status());
  if (filters->is_empty) return AnswerPage(*exchange, "[]", "", kJobRows);
  PageRequest page = ListPage(*exchange);
  jobs::v1::ListJobsRequest list;
  list.set_page_size(page.size);
  list.set_page_token(std::move(page.token));
  list.set_action_kind(filters->kind);
  list.mutable_states()->Add(filters->states.begin(), filters->states.end());
  CallOrFail(exchange, kQueryLimit, "fleetcast.jobs.v1.JobService/ListJobs", backends_.jobs().async(),
             &JobAsync::ListJobs, std::move(list), [exchange](const jobs::v1::ListJobsResponse& response) {
               std::vector<std::string> rows;
               for (const jobs::v1::Job& job : response.jobs()) rows.push_back(PrintJob(job));
               AnswerPage(*exchange, JsonArray(rows), response.next_page_token(), kJobRows);
             });
}

}  // namespace fleetcast::rest_gateway
