#include "libs/query/lexer.h"

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace fleetcast::query {
namespace {

constexpr std::string_view kTwoCharacterSymbols[] = {"!=", "<>", "<=", ">="};
constexpr std::string_view kSymbols = "=<>()[],.;*+-/%";

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_' || c == '$' || (c & 0x80) != 0; }
bool IsNamePart(char c) { return IsNameStart(c) || absl::ascii_isdigit(c); }

class Lexer {
 public:
  Lexer(std::string_view text, Profile profile, std::string_view reason)
      : text_(text), profile_(profile), reason_(reason) {}

  absl::StatusOr<std::vector<Token>> Run() {
    std::vector<Token> tokens;
    while (true) {
      SkipSpace();
      start_ = position_;
      if (at_ == text_.size()) {
        tokens.push_back({Token::Kind::kEnd, "", start_});
        return tokens;
      }
      FLEETCAST_ASSIGN_OR_RETURN(Token token, Next());
      tokens.push_back(std::move(token));
    }
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  // Takes one byte and keeps the position in characters: continuation bytes do not count.
  char Take() {
    const char c = text_[at_++];
    if (c == '\n') {
      ++position_.line;
      position_.column = 1;
    } else if ((c & 0xC0) != 0x80) {
      ++position_.column;
    }
    return c;
  }

  void SkipSpace() {
    while (at_ < text_.size() && (Peek() == ' ' || Peek() == '\t' || Peek() == '\r' || Peek() == '\n')) Take();
  }

  absl::Status Error(std::string_view message) const { return ErrorAt(reason_, start_, message); }

  Token Make(Token::Kind kind, std::string text) const { return {kind, std::move(text), start_}; }

  absl::StatusOr<Token> Next() {
    const char c = Peek();
    if (c == '\'' || c == '"') return String();
    if (absl::ascii_isdigit(c)) return Number();
    if (IsNameStart(c)) {
      std::string name;
      while (at_ < text_.size() && IsNamePart(Peek())) name.push_back(Take());
      return Make(Token::Kind::kName, std::move(name));
    }
    if (c == '[' && Peek(1) == '[') return Quoted();
    for (const std::string_view symbol : kTwoCharacterSymbols) {
      if (text_.substr(at_).starts_with(symbol)) {
        Take();
        Take();
        return Make(Token::Kind::kSymbol, symbol == "<>" ? "!=" : std::string(symbol));
      }
    }
    if (kSymbols.find(c) != std::string_view::npos) return Make(Token::Kind::kSymbol, std::string(1, Take()));
    return Error(absl::StrCat("Unexpected character at input ", json::Quote(std::string(1, c))));
  }

  absl::StatusOr<Token> Quoted() {
    const size_t end = text_.find("]]", at_ + 2);
    if (end == std::string_view::npos) return Error("'[[' without ']]'");
    std::string name(text_.substr(at_ + 2, end - at_ - 2));
    if (name.empty()) return Error("empty name in '[[]]'");
    while (at_ < end + 2) Take();
    return Make(Token::Kind::kQuoted, std::move(name));
  }

  absl::StatusOr<Token> Number() {
    const size_t begin = at_;
    if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X')) return Hexadecimal();
    const auto take_digits = [this] {
      while (absl::ascii_isdigit(Peek())) Take();
    };
    take_digits();
    if (Peek() == '.') {
      Take();
      take_digits();
    }
    if (Peek() == 'e' || Peek() == 'E') {
      Take();
      if (Peek() == '+' || Peek() == '-') Take();
      take_digits();
    }
    std::string literal(text_.substr(begin, at_ - begin));
    if (IsNamePart(Peek()) || !json::ValidateDocument(literal).ok()) return Error("malformed or out-of-range number");
    return Make(Token::Kind::kNumber, std::move(literal));
  }

  absl::StatusOr<Token> Hexadecimal() {
    Take();
    Take();
    const size_t begin = at_;
    while (absl::ascii_isxdigit(Peek())) Take();
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + begin, text_.data() + at_, value, 16);
    if (at_ == begin || error != std::errc() || IsNamePart(Peek())) return Error("malformed or out-of-range number");
    return Make(Token::Kind::kNumber, absl::StrCat(value));
  }

  // Four hexadecimal digits after \u.
  absl::StatusOr<uint32_t> CodeUnit() {
    uint32_t unit = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = Peek();
      if (!absl::ascii_isxdigit(c)) return Error("'\\u' needs four hexadecimal digits");
      unit = unit * 16 + static_cast<uint32_t>(absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10);
      Take();
    }
    return unit;
  }

  absl::Status Escape(std::string& out) {
    const char c = at_ < text_.size() ? Take() : '\0';
    if (c == '\'' || c == '"' || c == '\\') {
      out.push_back(c);
      return absl::OkStatus();
    }
    if (c != 'u') return Error("unknown escape in a string; use \\' \\\" \\\\ or \\uXXXX");
    FLEETCAST_ASSIGN_OR_RETURN(uint32_t point, CodeUnit());
    if (point >= 0xD800 && point < 0xDC00 && Peek() == '\\' && Peek(1) == 'u') {
      Take();
      Take();
      FLEETCAST_ASSIGN_OR_RETURN(const uint32_t low, CodeUnit());
      if (low < 0xDC00 || low > 0xDFFF) return Error("lone surrogate in a string");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    if (point >= 0xD800 && point <= 0xDFFF) return Error("lone surrogate in a string");
    if (point == 0) return Error("the character U+0000 is not allowed");
    AppendUtf8(point, out);
    return absl::OkStatus();
  }

  static void AppendUtf8(uint32_t point, std::string& out) {
    const auto push = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (point < 0x80) return push(point);
    if (point < 0x800) {
      push(0xC0 | (point >> 6));
    } else if (point < 0x10000) {
      push(0xE0 | (point >> 12));
      push(0x80 | ((point >> 6) & 0x3F));
    } else {
      push(0xF0 | (point >> 18));
      push(0x80 | ((point >> 12) & 0x3F));
      push(0x80 | ((point >> 6) & 0x3F));
    }
    push(0x80 | (point & 0x3F));
  }

  absl::StatusOr<Token> String() {
    const char quote = Take();
    std::string out;
    while (at_ < text_.size()) {
      const char c = Take();
      if (c == '\\') {
        FLEETCAST_RETURN_IF_ERROR(Escape(out));
      } else if (c != quote) {
        out.push_back(c);
      } else if (Peek() == quote) {  // A doubled quote stands for one.
        if (profile_ == Profile::kStrict)
          return Error("a doubled quote is not part of the strict profile; use a backslash");
        out.push_back(Take());
      } else {
        return Make(Token::Kind::kString, std::move(out));
      }
    }
    return Error("string without its closing quote");
  }

  const std::string_view text_;
  const Profile profile_;
  const std::string_view reason_;
  size_t at_ = 0;
  Position position_;
  Position start_;  // Of the token being read.
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view text, size_t bytes_max, Profile profile,
                                            std::string_view reason) {
  if (text.size() > bytes_max)
    return ErrorAt(reason, {}, absl::StrCat("the text is longer than ", bytes_max, " bytes"));
  if (!json::IsValidUtf8(text)) return ErrorAt(reason, {}, "the text is not valid UTF-8");
  if (text.find('\0') != std::string_view::npos) return ErrorAt(reason, {}, "the character U+0000 is not allowed");
  return Lexer(text, profile, reason).Run();
}

}  // namespace fleetcast::query
