#include "libs/query/rows.h"

#include <utility>

#include "libs/query/interpreter.h"

namespace fleetcast::query {
namespace {

using json::Value;
using Keys = std::vector<std::optional<Value>>;

// Brings the least (MIN) or greatest (MAX) of `held` and `value` into `held`.
void Keep(std::optional<Value>& held, const Value& value, bool wants_greatest) {
  if (held) {
    const int order = value.is_number() ? json::CompareNumbers(value.NumberText(), held->NumberText())
                                        : value.AsString().compare(held->AsString());
    if (wants_greatest ? order <= 0 : order >= 0) return;
  }
  held = value;
}

// One group while its rows are read.
class Group {
 public:
  Group(const Query& query, Keys keys)
      : query_(query), keys_(std::move(keys)), states_(query.items.size()), sums_(query.items.size()) {}

  const Keys& keys() const { return keys_; }

  void Add(const Value& document) {
    ++rows_;
    for (size_t i = 0; i < states_.size(); ++i) {
      const SelectItem& item = query_.items[i];
      if (item.aggregate == Aggregate::kNone || item.aggregate == Aggregate::kCount) continue;
      const Value* const value = Resolve(item.path, document);
      if (value == nullptr) continue;
      AggregateState& state = states_[i];
      if (value->is_number()) {
        ++state.numbers;
        sums_[i].Add(value->NumberText());
        Keep(state.number, *value, item.aggregate == Aggregate::kMax);
      } else if (value->is_string()) {
        Keep(state.text, *value, item.aggregate == Aggregate::kMax);
      }
    }
  }

  Value Row() {
    for (size_t i = 0; i < states_.size(); ++i) states_[i].sum = sums_[i].Text();
    return GroupRow(query_, keys_, rows_, states_);
  }

 private:
  const Query& query_;
  Keys keys_;
  int64_t rows_ = 0;
  std::vector<AggregateState> states_;
  std::vector<NumberSum> sums_;
};

Keys KeysOf(const Query& query, const Value& document) {
  Keys keys;
  for (const Path& path : query.group_by) {
    const Value* const value = Resolve(path, document);
    const bool is_key = value != nullptr && !value->is_object() && !value->is_array();
    keys.push_back(is_key ? std::optional<Value>(*value) : std::nullopt);
  }
  return keys;
}

std::vector<Value> GroupRows(const Query& query, const std::vector<Value>& documents) {
  std::vector<std::unique_ptr<Group>> groups;
  if (query.group_by.empty()) groups.push_back(std::make_unique<Group>(query, Keys()));
  for (const Value& document : documents) {
    Keys keys = KeysOf(query, document);
    Group* found = nullptr;
    for (const std::unique_ptr<Group>& group : groups) {
      if (group->keys() == keys) found = group.get();
    }
    if (found == nullptr) found = groups.emplace_back(std::make_unique<Group>(query, std::move(keys))).get();
    found->Add(document);
  }
  std::vector<Value> rows;
  for (const std::unique_ptr<Group>& group : groups) rows.push_back(group->Row());
  return rows;
}

}  // namespace

Value Project(const std::vector<SelectItem>& items, const Value& document) {
  Value row = Value::MakeObject();
  for (const SelectItem& item : items) {
    if (const Value* value = Resolve(item.path, document)) {
      row.Set(item.name, *value);
    } else {
      row.Remove(item.name);
    }
  }
  return row;
}

std::optional<Value> Finish(Aggregate aggregate, int64_t rows, const AggregateState& state) {
  switch (aggregate) {
    case Aggregate::kCount: return Value::Int(rows);
    case Aggregate::kSum: return NumberValue(SumOf(state.sum));
    case Aggregate::kAvg: return NumberValue(AverageOf(state.sum, state.numbers));
    case Aggregate::kMin:
    case Aggregate::kMax: return state.number ? state.number : state.text;
    case Aggregate::kNone: break;
  }
  return std::nullopt;
}

Value GroupRow(const Query& query, const Keys& keys, int64_t rows, const std::vector<AggregateState>& states) {
  Value row = Value::MakeObject();
  for (size_t i = 0; i < query.items.size(); ++i) {
    const SelectItem& item = query.items[i];
    std::optional<Value> value;
    if (item.aggregate == Aggregate::kNone) {
      const std::optional<size_t> index = GroupIndex(query, item.path);
      if (index) value = keys[*index];
    } else {
      value = Finish(item.aggregate, rows, states[i]);
    }
    if (value) {
      row.Set(item.name, *std::move(value));
    } else {
      row.Remove(item.name);
    }
  }
  return row;
}

std::vector<Value> SelectRows(const Query& query, const std::vector<Value>& documents) {
  std::vector<Value> selected;
  for (const Value& document : documents) {
    if (!query.where || Matches(*query.where, document)) selected.push_back(document);
  }
  if (query.is_aggregate()) return GroupRows(query, selected);
  if (query.items.empty()) return selected;
  for (Value& document : selected) document = Project(query.items, document);
  return selected;
}

}  // namespace fleetcast::query
