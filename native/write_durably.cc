// pwritev and fdatasync as one task of the thread pool: the loop is woken once, and not in between to ask for the sync.
//
//   writeDurably(descriptor, chunks: Uint8Array[], position, done: (errno: number, step: number) => void)
//
//   errno   0: all of it is on stable storage; -1: the system took no bytes and gave no reason; else what the system said
//   step    of an error: 0 write, 1 sync
//
// Nothing is synced after a write that failed. A task that cannot be begun is an exception, and `done` is not called.
// Only for Linux: elsewhere a sync is another call.
#include "addon.h"

#if defined(__linux__)

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

/** IOV_MAX. */
constexpr size_t kChunksMax = 1024;
constexpr int kNoReason = -1;

struct Task {
  int descriptor = -1;
  int64_t position = 0;
  std::vector<iovec> chunks;
  int error = 0;
  bool syncing = false;
  napi_async_work work = nullptr;
  napi_ref done = nullptr;
  /** They stay where they are until the task is done. */
  napi_ref held = nullptr;
};

/** All chunks, however many calls that takes. */
int Write(Task* task) {
  iovec* next = task->chunks.data();
  iovec* const end = next + task->chunks.size();
  int64_t position = task->position;
  while (next < end) {
    if (next->iov_len == 0) {
      next++;
      continue;
    }
    const int count = static_cast<int>(std::min<size_t>(end - next, kChunksMax));
    const ssize_t result = pwritev(task->descriptor, next, count, position);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return errno;
    if (result == 0) return kNoReason;
    position += result;
    size_t written = static_cast<size_t>(result);
    for (; next < end && written >= next->iov_len; next++) written -= next->iov_len;
    if (written > 0) {
      next->iov_base = static_cast<uint8_t*>(next->iov_base) + written;
      next->iov_len -= written;
    }
  }
  return 0;
}

int Sync(int descriptor) {
  while (fdatasync(descriptor) < 0)
    if (errno != EINTR) return errno;
  return 0;
}

void Execute(napi_env, void* data) {
  Task* task = static_cast<Task*>(data);
  task->error = Write(task);
  if (task->error != 0) return;
  task->syncing = true;
  task->error = Sync(task->descriptor);
}

/** With all that was allocated for it; of a task that did not begin, so much as there is. */
void Drop(napi_env env, Task* task) {
  if (task->done != nullptr) napi_delete_reference(env, task->done);
  if (task->held != nullptr) napi_delete_reference(env, task->held);
  if (task->work != nullptr) napi_delete_async_work(env, task->work);
  delete task;
}

void Complete(napi_env env, napi_status status, void* data) {
  Task* task = static_cast<Task*>(data);
  // It never ran: nothing is durable.
  if (status != napi_ok && task->error == 0) task->error = ECANCELED;
  napi_value done;
  napi_value receiver;
  napi_value arguments[2];
  napi_get_reference_value(env, task->done, &done);
  napi_get_undefined(env, &receiver);
  napi_create_int32(env, task->error, &arguments[0]);
  napi_create_int32(env, task->syncing ? 1 : 0, &arguments[1]);
  Drop(env, task);
  napi_call_function(env, receiver, done, 2, arguments, nullptr);
}

bool ReadChunks(napi_env env, napi_value list, std::vector<iovec>* chunks) {
  uint32_t count = 0;
  if (napi_get_array_length(env, list, &count) != napi_ok) return false;
  chunks->resize(count);
  for (uint32_t at = 0; at < count; at++) {
    napi_value chunk;
    napi_typedarray_type type;
    iovec& into = (*chunks)[at];
    if (napi_get_element(env, list, at, &chunk) != napi_ok) return false;
    // Of anything but a typed array this is an error.
    if (napi_get_typedarray_info(env, chunk, &type, &into.iov_len, &into.iov_base, nullptr, nullptr) != napi_ok) return false;
    if (type != napi_uint8_array) return false;
  }
  return true;
}

napi_value Call(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value arguments[4];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  Task* task = new Task;
  napi_valuetype last = napi_undefined;
  if (count == 4) napi_typeof(env, arguments[3], &last);
  if (last != napi_function || napi_get_value_int32(env, arguments[0], &task->descriptor) != napi_ok ||
      !ReadChunks(env, arguments[1], &task->chunks) || napi_get_value_int64(env, arguments[2], &task->position) != napi_ok) {
    delete task;
    napi_throw_type_error(env, nullptr, "writeDurably(descriptor, chunks: Uint8Array[], position, done)");
    return nullptr;
  }
  napi_value name;
  if (napi_create_string_utf8(env, "writeDurably", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_reference(env, arguments[3], 1, &task->done) != napi_ok ||
      napi_create_reference(env, arguments[1], 1, &task->held) != napi_ok ||
      napi_create_async_work(env, nullptr, name, Execute, Complete, task, &task->work) != napi_ok ||
      napi_queue_async_work(env, task->work) != napi_ok) {
    Drop(env, task);
    napi_throw_error(env, nullptr, "writeDurably: the task could not be begun, nothing was written");
  }
  return nullptr;
}

}  // namespace

void AddWriteDurably(napi_env env, napi_value exports) { AddFunction(env, exports, "writeDurably", Call); }

#else

void AddWriteDurably(napi_env, napi_value) {}

#endif
