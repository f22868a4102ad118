// The Lua scripts of the session directory. Entries are texts in the form of session_entry.h: epoch (16 characters),
// stored subscriptions (5), place.
#pragma once

#include "libs/redis/pipeline.h"

namespace fleetcast::device_connection {

// The sentinel holds the generation and the run id of the Redis process that wrote it. Where a script answers that the
// directory lost its memory, there is no sentinel, or it is of another process: a replica that took over may lack the
// last writes, and so may a process that started again.

// KEYS sentinel, counter. Answers generation and counter, or an empty list when the directory lost its memory.
const redis::Script& GenerationScript();

// KEYS sentinel, counter. ARGV generation. Answers the generation that stands afterwards.
const redis::Script& InstallScript();

// KEYS sentinel, counter, one per session. ARGV highest epoch ever seen; per session a mode and a place. A mode is one
// letter and a stored part: c = clean and f = fresh: take that part; i = inherit: take the part of the entry that
// stands there, an empty stored session after a clean one, or that part if there is none. Answers generation, first
// counter, and per session the entry before; or an empty list when the directory lost its memory.
const redis::Script& OpenScript();

// KEYS sentinel, counter, one per session. ARGV one entry per session. Answers per session 1 = stands, 0 = a newer one
// stands; or an empty list when the directory lost its memory.
const redis::Script& AnnounceScript();

// KEYS session. ARGV epoch, stored part. Answers 1 = changed, 0 = no such entry, -1 = a newer session stands there.
const redis::Script& SubscribeScript();

// KEYS session. ARGV epoch. Takes the place out of the entry; an entry that stores nothing goes away. Answers 1 or 0.
const redis::Script& CloseScript();

// KEYS session. ARGV stored part that means "unknown".
const redis::Script& ForgetScript();

}  // namespace fleetcast::device_connection
