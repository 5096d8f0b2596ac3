// Memory objects of a context that spans nodes. Each node's worker has one for itself; before a command uses it, what
// other nodes have written is brought there. That is enough because a program must not let a command use what another
// device writes before that has ended, and because the shim holds a command back until the events of other nodes that
// it waits for have ended: when a command gets here, what it will read is there to be brought.
//
// Ranges are told apart, so that the halves of a buffer that two devices write at the same time, each by a sub-buffer
// of its own, stay where they are. An image is brought as a whole. Bytes of buffers go from node to node directly where
// both allow it (direct_copy.h). Thread-safe; bytes travel while the caller waits.
#pragma once

#include <CL/cl.h>

#include <cstdint>

#include "backend/remote/objects.h"

namespace xpool::remote {

enum class Use {
  kReads,
  kChanges,   // reads, and writes some of it
  kReplaces,  // writes all of the range without having looked at it
};

inline constexpr uint64_t kToTheEnd = UINT64_MAX;

// Makes a range of |mem| current where |queue| is, for a command that is about to go there: CL_SUCCESS at once where no
// nodes are spanned. The error of |mem|'s creation, of which nobody waited for the end, if that has failed;
// CL_OUT_OF_RESOURCES when the bytes cannot be had any more, CL_OUT_OF_HOST_MEMORY.
cl_int Prepare(Queue* queue, cl_mem mem, Use use, uint64_t offset = 0, uint64_t bytes = kToTheEnd);
// The same for all that |kernel|'s arguments name.
cl_int PrepareArguments(Queue* queue, Kernel* kernel);
// For a rectangle of a buffer: |region| at |origin|, with these pitches (0: packed). REQUIRES: not Use::kReplaces, as
// what lies between its rows stays.
cl_int PrepareRect(Queue* queue, cl_mem buffer, Use use, const size_t* origin, const size_t* region, size_t row_pitch,
                   size_t slice_pitch);

// A queue of our own, for moving, at the node behind |link|. nullptr when there cannot be one.
Queue* MoverOf(Context* context, ClLink* link);

}  // namespace xpool::remote
