#include "services/twin/store/merge_sql.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/strings.h"
#include "libs/json/twin_rules.h"

namespace fleetcast::twin {
namespace {

using json::Section;
using json::Value;

int CountObjects(const Value& value) {
  if (!value.is_object()) return 0;
  int count = 1;
  for (const json::Member& member : value.object()) count += CountObjects(member.value);
  return count;
}

// True when the section is untouched or merged with a patch of reasonable shape.
bool CanCompile(const std::optional<Value>& section) {
  return !section.has_value() || (section->is_object() && CountObjects(*section) <= kMergeObjectsMax);
}

// `patch` merged into nothing.
Value Clean(const Value& patch) {
  Value clean = Value::MakeObject();
  json::MergePatch(clean, patch);
  return clean;
}

class Compiler {
 public:
  explicit Compiler(const MergeTerms& terms) : terms_(terms), time_(json::TwinTime(terms.now)) {}

  // A new parameter of `type`.
  template <typename T>
  std::string Add(const T& value, std::string_view type) {
    params_.Add(value);
    return absl::StrCat("$", params_.values().size(), "::", Absl(type));
  }

  std::string Document(const std::string& column, const Value& patch) {
    Path path;
    return Merged(column, column, path, patch, [this](const Value& part) {  //
      return Add(json::Print(Clean(part)), "jsonb");
    });
  }

  std::string Metadata(const std::string& column, const Value& patch) {
    Path path;
    const std::string usual = Add(terms_.usual_version, "bigint");
    return Merged(column, column, path, patch, [this, &usual](const Value& part) { return Stamps(usual, part); });
  }

  // True for rows that keep their limit for sure: no value is larger by the rules of twins than as jsonb (keys and
  // strings are as long, numbers take at least 10 bytes, Booleans 4), and a merge adds no more than the patch. What is
  // stored compressed is unpacked by `||` to be measured.
  std::string Fits(const std::string& column, Section section, const Value& patch) {
    const auto grows = static_cast<int64_t>(json::TwinSize(Clean(patch)));
    return absl::StrCat("CASE WHEN pg_column_compression(", column, ") IS NULL THEN pg_column_size(", column,
                        ") ELSE pg_column_size(", column, " || '{}') END + ", Add(grows, "bigint"),
                        " <= ", json::SectionSizeMax(section));
  }

  postgres::Params TakeParams() { return std::move(params_); }

 private:
  using Path = std::vector<std::string>;
  // SQL of what a patch gives where there is no object yet.
  using Constant = std::function<std::string(const Value& patch)>;

  // `patch` merged into `object`, SQL of the object at `path` below `root`. Every step down is guarded by the type of
  // what is there, because #> would walk into arrays too.
  std::string Merged(const std::string& object, const std::string& root, Path& path, const Value& patch,
                     const Constant& constant) {
    Value flat = Value::MakeObject();
    std::vector<std::string> removed;
    std::string nested;
    for (const json::Member& member : patch.object()) {
      if (member.value.is_null()) {
        removed.push_back(member.key);
      } else if (member.value.is_object()) {
        path.push_back(member.key);
        const std::string child = absl::StrCat("(", root, " #> ", Add(path, "text[]"), ")");
        absl::StrAppend(&nested, nested.empty() ? "" : ", ", Add(member.key, "text"), ", CASE WHEN jsonb_typeof(",
                        child, ") = 'object' THEN ", Merged(child, root, path, member.value, constant), " ELSE ",
                        constant(member.value), " END");
        path.pop_back();
      } else {
        flat.Set(member.key, member.value);
      }
    }
    std::string sql = absl::StrCat("(", object, " || ", constant(flat), ")");
    if (!nested.empty()) sql = absl::StrCat("(", sql, " || jsonb_build_object(", nested, "))");
    if (!removed.empty()) sql = absl::StrCat("(", sql, " - ", Add(removed, "text[]"), ")");
    return sql;
  }

  // The metadata of `part`: ready for rows of the usual version, else with the row's version put in. No key holds a
  // '$', so the marks are found in no other place.
  std::string Stamps(const std::string& usual, const Value& part) {
    const std::string usual_text = StampsFor(terms_.usual_version + 1, part);
    const std::string marked =
        absl::StrReplaceAll(StampsFor(1, part), {{"\"$lastUpdatedVersion\":1", "\"$lastUpdatedVersion\":$v"}});
    return absl::StrCat("CASE WHEN t.desired_version = ", usual, " THEN ", Add(usual_text, "jsonb"), " ELSE replace(",
                        Add(marked, "text"), ", '$v', (t.desired_version + 1)::text)::jsonb END");
  }

  std::string StampsFor(int64_t version, const Value& part) const {
    return json::Print(json::StampReplace(part, {time_, version}));
  }

  const MergeTerms terms_;
  const std::string time_;
  postgres::Params params_;
};

}  // namespace

std::optional<MergeSql> CompileMerge(const TwinEdit& edit, const std::vector<std::string>& device_ids,
                                     const EtagCondition& condition, const MergeTerms& terms) {
  const bool is_merge = edit.kind == TwinEdit::Kind::kMerge && (edit.tags.has_value() || edit.desired.has_value());
  if (!is_merge || !CanCompile(edit.tags) || !CanCompile(edit.desired)) return std::nullopt;
  Compiler compiler(terms);
  const std::string ids = compiler.Add(device_ids, "text[]");
  std::string set = "etag = t.etag + 1, version = t.version + 1";
  std::string where = absl::StrCat("t.device_id = ANY(", ids, ")");
  std::string told;
  if (const std::optional<std::string> tag = condition.tag()) {
    absl::StrAppend(&where, " AND encode(int8send(t.etag), 'base64') = ", compiler.Add(*tag, "text"));
  }
  if (edit.tags.has_value()) {
    absl::StrAppend(&set, ", tags = ", compiler.Document("t.tags", *edit.tags));
    absl::StrAppend(&where, " AND ", compiler.Fits("t.tags", Section::kTags, *edit.tags));
  }
  if (edit.desired.has_value()) {
    absl::StrAppend(
        &set, ", desired_version = t.desired_version + 1, desired = ", compiler.Document("t.desired", *edit.desired),
        ", desired_metadata = ", compiler.Metadata("t.desired_metadata", *edit.desired));
    absl::StrAppend(&where, " AND ", compiler.Fits("t.desired", Section::kDesired, *edit.desired));
    told = absl::StrCat(
        ", told AS (INSERT INTO twin.outbox (device_ids, desired_versions, patch) SELECT array_agg(device_id), "
        "array_agg(desired_version), ",
        compiler.Add(edit.desired_patch_text, "text"), " FROM changed HAVING count(*) > 0)");
  }
  std::string text = absl::StrCat("WITH changed AS (UPDATE twin.twin AS t SET ", set, " WHERE ", where,
                                  " RETURNING t.device_id, t.desired_version)", told,
                                  " SELECT count(*) AS changed, max(desired_version) AS version, CASE WHEN count(*) < "
                                  "cardinality(",
                                  ids, ") THEN array_agg(device_id) END AS device_ids FROM changed");
  return MergeSql{std::move(text), compiler.TakeParams()};
}

}  // namespace fleetcast::twin
