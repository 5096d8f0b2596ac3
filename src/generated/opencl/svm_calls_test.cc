// Written by hand: the calls on shared virtual memory, from a client to the fake driver (wire_fake.h), and what a worker
// makes of addresses that are not the session's.
#include "wire_opencl/svm_calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "generated/opencl/wire_fake.h"

namespace xpool::wire_cl {
namespace {

constexpr uint64_t kBytes = 4096;

template <typename Handle>
Handle Program(ValueKind kind, uint32_t index = 0) {
  return static_cast<Handle>(ProgramObject(kind, index));
}

class SvmCallsTest : public testing::Test {
 protected:
  using Encode = std::function<absl::Status(Encoder&)>;

  // Sends and serves one call, and finishes its command; the status in its answer, or in the answer that came later.
  cl_int Do(CallId id, const Encode& encode, uint64_t* address = nullptr) {
    client_.inline_bytes = kBytes * 4;
    wire::Writer call, out;
    Encoder encoder(call, client_);
    const absl::Status encoded = encode(encoder);
    EXPECT_TRUE(encoded.ok()) << encoded;
    const std::vector<std::byte> bytes = call.Flatten();
    wire::Reader in(bytes, "call");
    CallTrace trace;
    driver_.Expect(id);
    const absl::StatusOr<Served> served = ServeCall(id, in, server_, out, &trace);
    EXPECT_TRUE(served.ok()) << served.status();
    if (!served.ok()) return CL_INVALID_OPERATION;
    server_.Finish(CL_COMPLETE, out);
    const std::vector<std::byte> answer = out.Flatten();
    wire::Reader reader(answer, "answer");
    AnswerDecoder decoder(reader, client_, encoder.expected());
    const bool failed = decoder.Failed();
    if (!failed && address != nullptr) decoder.Elements("address", address, 1);
    if (!failed && *served == Served::kLater) decoder.Data();
    const absl::StatusOr<cl_int> status = decoder.Finish();
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *status : CL_INVALID_OPERATION;
  }

  // An allocation in context |index|.
  char* Alloc(uint64_t bytes = kBytes, uint32_t index = 0) {
    uint64_t address = 0;
    const auto context = Program<cl_context>(ValueKind::kContext, index);
    EXPECT_EQ(CL_SUCCESS, Do(CallId::clSVMAlloc,
                             [&](Encoder& call) {
                               return EncodeCall_clSVMAlloc(context, CL_MEM_READ_WRITE, bytes, 0, nullptr, call);
                             },
                             &address));
    return reinterpret_cast<char*>(address);
  }
  cl_int Free(const char* pointer, uint32_t index = 0) {
    const auto context = Program<cl_context>(ValueKind::kContext, index);
    return Do(CallId::clSVMFree, [&](Encoder& call) {
      return EncodeCall_clSVMFree(context, reinterpret_cast<uint64_t>(pointer), call);
    });
  }
  cl_int SetArgument(const void* pointer) {
    return Do(CallId::clSetKernelArgSVMPointer,
              [&](Encoder& call) { return EncodeCall_clSetKernelArgSVMPointer(kernel_, 0, pointer, call); });
  }
  cl_int SetPointers(std::vector<const void*> pointers) {
    return Do(CallId::clSetKernelExecInfo, [&](Encoder& call) {
      return EncodeCall_clSetKernelExecInfo(kernel_, CL_KERNEL_EXEC_INFO_SVM_PTRS, pointers.size() * sizeof(void*),
                                            pointers.data(), call);
    });
  }
  cl_int Copy(SvmEnd to, SvmEnd from, size_t size) {
    return Do(CallId::clEnqueueSVMMemcpy, [&](Encoder& call) {
      return EncodeCall_clEnqueueSVMMemcpy(queue_, to, from, size, 0, nullptr, nullptr, call);
    });
  }
  cl_int Fill(const void* pointer, size_t size) {
    return Do(CallId::clEnqueueSVMMemFill, [&](Encoder& call) {
      return EncodeCall_clEnqueueSVMMemFill(queue_, pointer, "abcd", 4, size, 0, nullptr, nullptr, call);
    });
  }
  // As a client maps that has sent |address| and keeps the bytes at |into|.
  cl_int Map(const void* address, void* into, size_t size) {
    return Do(CallId::clEnqueueSVMMap, [&](Encoder& call) {
      call.Presence({false, false});
      call.Handle("queue", ValueKind::kQueue, queue_);
      call.Value(cl_map_flags{CL_MAP_READ});
      call.Value(reinterpret_cast<uint64_t>(address));
      call.Value(size);
      call.Value(cl_uint{0});
      call.Expect("svm_ptr", into, DenseLayout(size));
      return call.status();
    });
  }
  cl_int Unmap(const void* address, const void* bytes, size_t size) {
    return Do(CallId::clEnqueueSVMUnmap, [&](Encoder& call) {
      call.Presence({false, false, bytes != nullptr});
      call.Handle("queue", ValueKind::kQueue, queue_);
      call.Value(reinterpret_cast<uint64_t>(address));
      call.Value(size);
      call.Value(cl_uint{0});
      if (bytes != nullptr) call.Data("svm_ptr", bytes, DenseLayout(size));
      return call.status();
    });
  }
  cl_int EnqueueFree(void* pointer) {
    return Do(CallId::clEnqueueSVMFree, [&](Encoder& call) {
      return EncodeCall_clEnqueueSVMFree(queue_, 1, &pointer, 0, nullptr, nullptr, call);
    });
  }
  cl_int Migrate(const void* pointer, size_t size) {
    return Do(CallId::clEnqueueSVMMigrateMem, [&](Encoder& call) {
      return EncodeCall_clEnqueueSVMMigrateMem(queue_, 1, &pointer, &size, 0, 0, nullptr, nullptr, call);
    });
  }
  // Everything that can be asked about |size| bytes at |pointer|.
  std::vector<cl_int> DoAll(const char* pointer, size_t size) {
    std::vector<char> host(size);
    char* const other = Alloc();
    return {SetArgument(pointer),
            SetPointers({other, pointer}),
            EnqueueFree(const_cast<char*>(pointer)),
            Copy({pointer, true}, {other, true}, size),
            Copy({other, true}, {pointer, true}, size),
            Copy({host.data(), false}, {pointer, true}, size),
            Copy({pointer, true}, {host.data(), false}, size),
            Fill(pointer, size),
            Map(pointer, host.data(), size),
            Unmap(pointer, host.data(), size),
            Unmap(pointer, nullptr, 0),
            Migrate(pointer, size)};
  }

  const cl_command_queue queue_ = Program<cl_command_queue>(ValueKind::kQueue);
  const cl_kernel kernel_ = Program<cl_kernel>(ValueKind::kKernel);
  FakeBulk up_, down_;
  FakeDriver driver_{1};
  FakeClient client_{up_, down_};
  FakeServer server_{driver_.table(), up_, down_};
};

TEST_F(SvmCallsTest, MemoryOfTheSessionIsUsed) {
  const char* const memory = Alloc();
  for (const cl_int status : DoAll(memory + 64, kBytes - 64)) EXPECT_EQ(CL_SUCCESS, status);
  EXPECT_GT(driver_.svm().touches(), 10);
  EXPECT_FALSE(driver_.svm().trespassed());
}

TEST_F(SvmCallsTest, AddressesOfNoAllocationNeverReachTheDriver) {
  char* const memory = Alloc();
  const char* const foreign[] = {memory - 1,  memory + kBytes, reinterpret_cast<char*>(&server_),
                                 memory + FakeSvm::kSlotBytes * 8, reinterpret_cast<char*>(UINT64_MAX)};
  for (const char* const pointer : foreign) {
    const int touches = driver_.svm().touches();
    for (const cl_int status : DoAll(pointer, 8)) EXPECT_LT(status, 0) << static_cast<const void*>(pointer);
    EXPECT_EQ(touches, driver_.svm().touches());
    EXPECT_LT(Free(pointer), 0);
  }
  EXPECT_FALSE(driver_.svm().trespassed());
}

TEST_F(SvmCallsTest, RegionsEndWithTheirAllocation) {
  char* const memory = Alloc();
  std::vector<char> host(kBytes + 1);
  const int touches = driver_.svm().touches();
  EXPECT_LT(Fill(memory + 4, kBytes), 0);
  EXPECT_LT(Map(memory, host.data(), kBytes + 1), 0);
  EXPECT_LT(Unmap(memory + 1, host.data(), kBytes), 0);
  EXPECT_LT(Copy({host.data(), false}, {memory + 1, true}, kBytes), 0);
  EXPECT_LT(Copy({memory + 1, true}, {host.data(), false}, kBytes), 0);
  EXPECT_LT(Migrate(memory + 1, kBytes), 0);
  EXPECT_LT(Fill(memory, SIZE_MAX - 3), 0);
  EXPECT_EQ(touches, driver_.svm().touches());
}

TEST_F(SvmCallsTest, MemoryOfAnotherContextIsForeign) {
  char* const memory = Alloc(kBytes, /*index=*/1);
  EXPECT_EQ(CL_INVALID_ARG_VALUE, SetArgument(memory));
  EXPECT_LT(Fill(memory, 8), 0);
  EXPECT_LT(Free(memory), 0);
  EXPECT_EQ(CL_SUCCESS, Free(memory, /*index=*/1));
}

TEST_F(SvmCallsTest, FreedMemoryIsForeign) {
  char* const memory = Alloc();
  EXPECT_EQ(CL_SUCCESS, Free(memory));
  EXPECT_EQ(0u, driver_.svm().live());
  EXPECT_EQ(DriverObject(ValueKind::kContext, 0), driver_.svm().freed_in());
  EXPECT_EQ(CL_INVALID_ARG_VALUE, SetArgument(memory));
  EXPECT_LT(Free(memory), 0);
  EXPECT_FALSE(driver_.svm().trespassed());
}

TEST_F(SvmCallsTest, OnlyTheBeginningFrees) {
  char* const memory = Alloc();
  EXPECT_LT(Free(memory + 8), 0);
  EXPECT_EQ(1u, driver_.svm().live());
}

TEST_F(SvmCallsTest, MemoryThatIsInUseIsFreedLater) {
  char* const memory = Alloc();
  std::shared_ptr<std::byte[]> used =
      server_.svm().Find(static_cast<cl_context>(DriverObject(ValueKind::kContext, 0)),
                         reinterpret_cast<uint64_t>(memory), kBytes);
  EXPECT_EQ(CL_SUCCESS, Free(memory));
  EXPECT_EQ(CL_INVALID_ARG_VALUE, SetArgument(memory));
  EXPECT_EQ(1u, driver_.svm().live());
  used.reset();
  server_.svm().ReleaseFreed();
  EXPECT_EQ(0u, driver_.svm().live());
}

TEST_F(SvmCallsTest, EnqueuedFreeLeavesTheMemoryToTheClient) {
  char* const memory = Alloc();
  EXPECT_EQ(CL_SUCCESS, EnqueueFree(memory));
  EXPECT_EQ(1u, driver_.svm().live());
  EXPECT_EQ(CL_SUCCESS, Free(memory));
}

TEST_F(SvmCallsTest, BytesTravelWhenTheyAreMappedAndUnmapped) {
  char* const memory = Alloc();
  EXPECT_EQ(CL_SUCCESS, Fill(memory, kBytes));
  std::vector<char> host(kBytes);
  EXPECT_EQ(CL_SUCCESS, Map(memory, host.data(), kBytes));
  EXPECT_EQ('d', host[kBytes - 1]);
  host[1] = 'x';
  EXPECT_EQ(CL_SUCCESS, Unmap(memory, host.data(), kBytes));
  EXPECT_EQ(0, std::memcmp(memory, "axcdabcd", 8));
}

TEST_F(SvmCallsTest, CopiesReachTheProgramsMemoryAtEitherEnd) {
  char* const memory = Alloc();
  char to[8] = {};
  EXPECT_EQ(CL_SUCCESS, Copy({memory, true}, {"1234567", false}, 8));
  EXPECT_EQ(CL_SUCCESS, Copy({to, false}, {memory, true}, 8));
  EXPECT_STREQ("1234567", to);
  EXPECT_EQ(CL_SUCCESS, Copy({to, false}, {"7654321", false}, 8));
  EXPECT_STREQ("7654321", to);
}

TEST_F(SvmCallsTest, NullIsAnArgument) { EXPECT_EQ(CL_SUCCESS, SetArgument(nullptr)); }

TEST_F(SvmCallsTest, AllocationsAreBounded) {
  FakeServer small(driver_.table(), up_, down_, {.max_handles = 8});
  const auto context = static_cast<cl_context>(DriverObject(ValueKind::kContext, 0));
  for (int i = 0; i < 8; ++i) EXPECT_NE(nullptr, small.svm().Allocate(context, 0, 64, 0));
  EXPECT_EQ(nullptr, small.svm().Allocate(context, 0, 64, 0));
}

TEST_F(SvmCallsTest, ContextThatIsReleasedTakesItsMemoryWithIt) {
  char* const memory = Alloc();
  EXPECT_EQ(CL_SUCCESS, Do(CallId::clReleaseContext, [&](Encoder& call) {
              return EncodeCall_clReleaseContext(Program<cl_context>(ValueKind::kContext), call);
            }));
  EXPECT_EQ(0u, server_.svm().live());
  EXPECT_LT(Fill(memory, 8), 0);
  EXPECT_EQ(1u, driver_.svm().live());  // the driver has what the program never freed
}

class SharedBufferTest : public SvmCallsTest {
 protected:
  class SharingClient : public FakeClient {
   public:
    using FakeClient::FakeClient;
    bool HostMemoryIsShared() override { return true; }
  };
  cl_int Create(const void* pointer, size_t size) {
    SharingClient client(up_, down_);
    wire::Writer call, out;
    const wire::WireHandle minted[] = {wire::WireHandle::Make(TypeOf(ValueKind::kMem), 1, next_++)};
    Encoder encoder(call, client, minted);
    EXPECT_TRUE(EncodeCall_clCreateBuffer(Program<cl_context>(ValueKind::kContext), CL_MEM_USE_HOST_PTR, size,
                                          const_cast<void*>(pointer), nullptr, encoder)
                    .ok());
    const std::vector<std::byte> bytes = call.Flatten();
    wire::Reader in(bytes, "call");
    CallTrace trace;
    driver_.Expect(CallId::clCreateBuffer);
    EXPECT_TRUE(ServeCall(CallId::clCreateBuffer, in, server_, out, &trace).ok());
    return trace.status;
  }
  uint32_t next_ = 100;
};

TEST_F(SharedBufferTest, UsesMemoryOfTheSession) {
  char* const memory = Alloc();
  EXPECT_EQ(CL_SUCCESS, Create(memory, kBytes));
  EXPECT_TRUE(driver_.seen().has_value());
}

TEST_F(SharedBufferTest, UsesNoOtherMemory) {
  char* const memory = Alloc();
  EXPECT_EQ(CL_INVALID_HOST_PTR, Create(memory, kBytes + 1));
  EXPECT_EQ(CL_INVALID_HOST_PTR, Create(memory - 1, 8));
  EXPECT_EQ(CL_INVALID_HOST_PTR, Create(&server_, 8));
  EXPECT_FALSE(driver_.seen().has_value());
}

}  // namespace
}  // namespace xpool::wire_cl
