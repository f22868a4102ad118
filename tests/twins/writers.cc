#include "tests/twins/writers.h"

#include "absl/strings/str_cat.h"
#include "libs/base/random.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::twin_history {
namespace {

using json::Value;

// Long enough that three of them do not fit into tags (8 kB).
constexpr size_t kLongText = 3000;

}  // namespace

// One writer or reader: its own connection, its own key.
class Writers::Thread {
 public:
  Thread(Writers& all, int number)
      : all_(all), client_(all.address_), number_(number), key_(absl::StrCat("w", number)) {}

  void Run() {
    while (!all_.is_over_) {
      if (number_ >= kWriters) {
        Read();
      } else if (number_ % 4 == 0) {
        Report();
      } else if (number_ % 8 == 1) {
        WriteSlice();
      } else if (number_ % 8 == 2) {
        Race();
      } else {
        WriteOne(NewWrite(AnyDevice()));
      }
    }
  }

 private:
  uint64_t Below(uint64_t limit) { return SystemRandom().Below(limit); }
  size_t AnyDevice() { return static_cast<size_t>(Below(all_.devices_.size())); }

  // {"w7": TOKEN or {"token": TOKEN, "n": 3}, "shared": TOKEN, "deep": {"w7": TOKEN, "other": null}}
  Value Section(const std::string& token) {
    Value section = Value::MakeObject();
    if (Below(2) == 0) {
      section.Set(key_, Value::String(token));
    } else {
      Value own = Value::MakeObject();
      own.Set("token", Value::String(token));
      own.Set(absl::StrCat("n", Below(3)), Value::Int(static_cast<int64_t>(Below(1000))));
      section.Set(key_, std::move(own));
    }
    section.Set(kSharedKey, Value::String(token));
    Value deep = Value::MakeObject();
    deep.Set(absl::StrCat("d", Below(4)), Below(3) == 0 ? Value() : Value::String(token));
    section.Set("deep", std::move(deep));
    return section;
  }

  Operation NewOperation(Kind kind, size_t device) {
    Operation operation;
    operation.kind = kind;
    operation.device = all_.devices_[device];
    operation.key = key_;
    operation.token = absl::StrCat(key_, "-", all_.next_token_++);
    return operation;
  }

  Operation NewWrite(size_t device) {
    Operation operation = NewOperation(Below(30) == 0 ? Kind::kReplace : Kind::kMerge, device);
    const uint64_t sections = operation.kind == Kind::kReplace ? 2 : Below(3);
    if (sections != 0) operation.tags = Section(operation.token);
    if (sections != 1) operation.desired = Section(operation.token);
    if (operation.tags.has_value() && Below(4) == 0) {
      operation.tags->Set("long" + key_, Value::String(std::string(kLongText, 'x')));
    } else if (operation.tags.has_value() && operation.kind == Kind::kMerge) {
      operation.tags->Set("long" + key_, Value());
    }
    return operation;
  }

  void WriteOne(Operation operation) {
    client_.WriteTwin(operation);
    Keep(std::move(operation));
  }

  void Keep(Operation operation) {
    const bool is_known = operation.result != Result::kUnknown;
    const std::string device = operation.device;
    all_.recorder_.Add(std::move(operation));
    if (!is_known) WaitForService(device);
  }

  void WaitForService(const std::string& device) {
    testing::WaitFor([&] { return all_.is_over_ || client_.Read(device).ok(); }, absl::Seconds(30));
  }

  // Reads a twin and writes it on condition that it has not changed.
  void Race() {
    const size_t device = AnyDevice();
    absl::StatusOr<Snapshot> twin = client_.Read(all_.devices_[device]);
    if (!twin.ok()) return WaitForService(all_.devices_[device]);
    Operation operation = NewWrite(device);
    operation.if_etag = twin->etag;
    all_.recorder_.AddRead(*std::move(twin));
    WriteOne(std::move(operation));
  }

  void Read() {
    const std::string& device = all_.devices_[AnyDevice()];
    absl::StatusOr<Snapshot> twin = client_.Read(device);
    if (!twin.ok()) return WaitForService(device);
    all_.recorder_.AddRead(*std::move(twin));
  }

  // One to three patches in one call. Now and then a device has a new session; others do not know yet.
  void Report() {
    std::vector<Operation> operations;
    for (uint64_t patches = 1 + Below(3); patches > 0; --patches) {
      const size_t device = AnyDevice();
      Operation operation = NewOperation(Kind::kReported, device);
      operation.reported = Section(operation.token);
      operation.epoch = Below(20) == 0 ? ++all_.epochs_[device] : all_.epochs_[device].load();
      if (Below(20) == 0) --operation.epoch;
      operations.push_back(std::move(operation));
    }
    client_.WriteReported(operations);
    for (Operation& operation : operations) Keep(std::move(operation));
  }

  // The slice of a job over all twins, half of them sent twice.
  void WriteSlice() {
    const int64_t job = all_.next_token_++;
    Operation pattern = NewOperation(Kind::kJob, 0);
    if (Below(2) == 0) pattern.tags = Section(pattern.token);
    pattern.desired = Section(pattern.token);
    std::vector<Operation> operations(all_.devices_.size(), pattern);
    for (size_t i = 0; i < operations.size(); ++i) operations[i].device = all_.devices_[i];
    client_.WriteSlice(job, operations, Below(2) == 0, [this] { return all_.is_over_.load(); });
    for (Operation& operation : operations) Keep(std::move(operation));
  }

  Writers& all_;
  Client client_;
  int number_;
  std::string key_;
};

Writers::Writers(std::string address, std::vector<std::string> devices, Recorder& recorder)
    : address_(std::move(address)), devices_(std::move(devices)), recorder_(recorder), epochs_(devices_.size()) {
  for (auto& epoch : epochs_) epoch = 100;
  for (int i = 0; i < kWriters + kReaders; ++i) {
    threads_.emplace_back([this, i] { Thread(*this, i).Run(); });
  }
}

void Writers::Stop() {
  is_over_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace fleetcast::twin_history
