#include "transport/tls_x509.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "base/status.h"

namespace xpool::transport {
namespace {

constexpr size_t kSerialDigits = 32;

using BignumPtr = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using NamePtr = std::unique_ptr<GENERAL_NAME, FreeWith<GENERAL_NAME_free>>;
using RevokedPtr = std::unique_ptr<X509_REVOKED, FreeWith<X509_REVOKED_free>>;

absl::Status NotMade(const char* what) {
  return absl::InternalError(absl::StrCat("OpenSSL cannot make ", what, ": ", TakeTlsReason("no reason given")));
}

// First: whatever configuration file the machine has does not decide what we make or accept.
void PrepareOpenSsl() {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  ERR_clear_error();
}

// Without it OpenSSL asks for the passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

std::string TextIn(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : "";
}

// |number| as ASN.1 has it, in place of what |integer| holds.
bool SetSerial(ASN1_INTEGER* integer, const BignumPtr& number) {
  return number != nullptr && BN_to_ASN1_INTEGER(number.get(), integer) != nullptr;
}

bool SetNames(X509* certificate, const std::string& name, X509* issuer) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, text, static_cast<int>(name.size()), -1,
                                    0) == 1 &&
         X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1;
}

bool SetSpan(X509* certificate, const CertificateSpec& spec) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), spec.not_before_unix_s) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), spec.not_after_unix_s) != nullptr;
}

// |value| is in OpenSSL's little language: never anything from outside.
bool AddExtension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool AddName(GENERAL_NAMES* names, int kind, const std::string& text) {
  NamePtr name(a2i_GENERAL_NAME(nullptr, nullptr, nullptr, kind, text.c_str(), 0));
  if (name == nullptr || sk_GENERAL_NAME_push(names, name.get()) <= 0) return false;
  (void)name.release();
  return true;
}

bool AddAlternativeNames(X509* certificate, const CertificateSpec& spec) {
  if (spec.dns_names.empty() && spec.ip_addresses.empty()) return true;
  const NamesPtr names(GENERAL_NAMES_new());
  bool added = names != nullptr;
  for (const std::string& name : spec.dns_names) added = added && AddName(names.get(), GEN_DNS, name);
  for (const std::string& address : spec.ip_addresses) added = added && AddName(names.get(), GEN_IPADD, address);
  return added && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_APPEND) == 1;
}

bool AddExtensions(X509* certificate, const CertificateSpec& spec, X509* issuer) {
  const auto add = [&](int kind, const char* value) { return AddExtension(certificate, issuer, kind, value); };
  const bool about_keys = add(NID_subject_key_identifier, "hash") && add(NID_authority_key_identifier, "keyid:always");
  if (!about_keys) return false;
  if (spec.authority)
    return add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add(NID_key_usage, "critical,keyCertSign,cRLSign");
  return add(NID_basic_constraints, "critical,CA:FALSE") && add(NID_key_usage, "critical,digitalSignature") &&
         add(NID_ext_key_usage, spec.serves ? "serverAuth,clientAuth" : "clientAuth") &&
         AddAlternativeNames(certificate, spec);
}

bool SetHead(X509_CRL* list, const RevocationListSpec& spec, X509* issuer) {
  const TimePtr made(ASN1_TIME_set(nullptr, spec.made_unix_s)), ends(ASN1_TIME_set(nullptr, spec.ends_unix_s));
  return made != nullptr && ends != nullptr && X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
         X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer)) == 1 &&
         X509_CRL_set1_lastUpdate(list, made.get()) == 1 && X509_CRL_set1_nextUpdate(list, ends.get()) == 1;
}

bool AddEntry(X509_CRL* list, const RevocationListSpec::Entry& entry) {
  BIGNUM* read = nullptr;
  const bool is_number = BN_hex2bn(&read, entry.serial.c_str()) == static_cast<int>(entry.serial.size());
  const BignumPtr number(read);
  const IntegerPtr serial(ASN1_INTEGER_new());
  const TimePtr when(ASN1_TIME_set(nullptr, entry.revoked_unix_s));
  RevokedPtr revoked(X509_REVOKED_new());
  const bool made = is_number && serial != nullptr && when != nullptr && revoked != nullptr &&
                    SetSerial(serial.get(), number) &&
                    X509_REVOKED_set_serialNumber(revoked.get(), serial.get()) == 1 &&
                    X509_REVOKED_set_revocationDate(revoked.get(), when.get()) == 1 &&
                    X509_CRL_add0_revoked(list, revoked.get()) == 1;
  if (made) (void)revoked.release();
  return made;
}

bool AddListExtensions(X509_CRL* list, uint64_t number, X509* issuer) {
  const IntegerPtr value(ASN1_INTEGER_new());
  if (value == nullptr || ASN1_INTEGER_set_uint64(value.get(), number) != 1) return false;
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, list, 0);
  const ExtensionPtr key(X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  return key != nullptr && X509_CRL_add_ext(list, key.get(), -1) == 1 &&
         X509_CRL_add1_ext_i2d(list, NID_crl_number, value.get(), 0, X509V3_ADD_APPEND) == 1;
}

}  // namespace

std::string TakeTlsReason(const char* otherwise) {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? otherwise : reason;
}

BioPtr PemReader(std::string_view pem) {
  PrepareOpenSsl();
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

CertificatePtr NextCertificate(BIO* pem) {
  return CertificatePtr(PEM_read_bio_X509(pem, nullptr, NoPassphrase, nullptr));
}

RevocationListPtr NextRevocationList(BIO* pem) {
  return RevocationListPtr(PEM_read_bio_X509_CRL(pem, nullptr, NoPassphrase, nullptr));
}

KeyPtr NextKey(BIO* pem) { return KeyPtr(PEM_read_bio_PrivateKey(pem, nullptr, NoPassphrase, nullptr)); }

// The end of the text is the only way in which the last read may fail.
bool PemEndedWell() {
  const unsigned long error = ERR_peek_last_error();
  const bool ended = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (ended) ERR_clear_error();
  return ended;
}

std::string ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  return bio != nullptr && PEM_write_bio_X509(bio.get(), certificate) == 1 ? TextIn(bio.get()) : "";
}

std::string ToPem(X509_CRL* list) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  return bio != nullptr && PEM_write_bio_X509_CRL(bio.get(), list) == 1 ? TextIn(bio.get()) : "";
}

std::string ToPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  const bool written =
      bio != nullptr && PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
  return written ? TextIn(bio.get()) : "";
}

absl::StatusOr<std::string> CertificatePem(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const CertificatePtr certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  if (certificate == nullptr) return absl::DataLossError(TakeTlsReason("no certificate"));
  return ToPem(certificate.get());
}

absl::StatusOr<KeyPtr> NewKey() {
  PrepareOpenSsl();
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return NotMade("a key");
  return key;
}

absl::StatusOr<CertificatePtr> MakeCertificate(const CertificateSpec& spec, EVP_PKEY* key, const Signer& signer) {
  ERR_clear_error();
  CertificatePtr certificate(X509_new());
  const BignumPtr serial(BN_new());
  X509* issuer = signer.certificate != nullptr ? signer.certificate : certificate.get();
  const bool made =
      certificate != nullptr && serial != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
      BN_rand(serial.get(), 128, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
      SetSerial(X509_get_serialNumber(certificate.get()), serial) && SetNames(certificate.get(), spec.name, issuer) &&
      SetSpan(certificate.get(), spec) && X509_set_pubkey(certificate.get(), key) == 1 &&
      AddExtensions(certificate.get(), spec, issuer) && X509_sign(certificate.get(), signer.key, EVP_sha256()) > 0;
  if (!made) return NotMade("a certificate");
  return certificate;
}

absl::StatusOr<RevocationListPtr> MakeRevocationList(const RevocationListSpec& spec, const Signer& signer) {
  ERR_clear_error();
  RevocationListPtr list(X509_CRL_new());
  bool made = list != nullptr && SetHead(list.get(), spec, signer.certificate);
  for (const RevocationListSpec::Entry& entry : spec.revoked) made = made && AddEntry(list.get(), entry);
  made = made && X509_CRL_sort(list.get()) == 1 && AddListExtensions(list.get(), spec.number, signer.certificate) &&
         X509_CRL_sign(list.get(), signer.key, EVP_sha256()) > 0;
  if (!made) return NotMade("a revocation list");
  return list;
}

std::string SerialText(const ASN1_INTEGER* serial) {
  const BignumPtr number(ASN1_INTEGER_to_BN(serial, nullptr));
  if (number == nullptr || BN_is_negative(number.get())) return "";
  char* digits = BN_bn2hex(number.get());
  std::string text = digits == nullptr ? "" : digits;
  OPENSSL_free(digits);
  for (char& digit : text) digit = static_cast<char>(tolower(static_cast<unsigned char>(digit)));
  if (!text.empty() && text.size() < kSerialDigits) text.insert(0, kSerialDigits - text.size(), '0');
  return text;
}

int64_t UnixSeconds(const ASN1_TIME* time) {
  tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

}  // namespace xpool::transport
