#include "transport/testing/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <cstring>

namespace xpool::transport {
namespace {

void Require(bool made) {
  if (!made) std::abort();
}

EVP_PKEY* NewKey() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  Require(key != nullptr);
  return key;
}

X509* NewCertificate(EVP_PKEY* key, const std::string& name, int64_t starts_s, int64_t ends_s) {
  X509* certificate = X509_new();
  Require(certificate != nullptr && X509_set_version(certificate, X509_VERSION_3) == 1);
  uint32_t serial = 0;
  Require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1);
  Require(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), uint64_t{serial} + 1) == 1);
  Require(X509_gmtime_adj(X509_getm_notBefore(certificate), starts_s) != nullptr);
  Require(X509_gmtime_adj(X509_getm_notAfter(certificate), ends_s) != nullptr);
  Require(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1);
  Require(X509_set_pubkey(certificate, key) == 1);
  return certificate;
}

void AddExtension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

std::string TakeText(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string result(text, static_cast<size_t>(size));
  BIO_free(bio);
  return result;
}

std::string PemOf(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  Require(PEM_write_bio_X509(bio, certificate) == 1);
  return TakeText(bio);
}

std::string PemOf(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  Require(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return TakeText(bio);
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name)
    : key_(NewKey()), certificate_(NewCertificate(key_, name, -3600, 24 * 3600)) {
  Require(X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_)) == 1);
  AddExtension(certificate_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_, NID_key_usage, "critical,keyCertSign");
  Require(X509_sign(certificate_, key_, EVP_sha256()) > 0);
  pem_ = PemOf(certificate_);
}

TestAuthority::~TestAuthority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

TlsIdentity TestAuthority::Issue(const TestCertificate& wanted) const {
  EVP_PKEY* key = NewKey();
  X509* certificate = NewCertificate(key, wanted.name, wanted.starts_s, wanted.ends_s);
  Require(X509_set_issuer_name(certificate, X509_get_subject_name(certificate_)) == 1);
  AddExtension(certificate, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate, NID_subject_alt_name, "DNS:" + wanted.name + ",IP:" + wanted.ip);
  AddExtension(certificate, NID_ext_key_usage, "serverAuth,clientAuth");
  Require(X509_sign(certificate, key_, EVP_sha256()) > 0);
  const TlsIdentity identity{pem_, PemOf(certificate), PemOf(key)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

}  // namespace xpool::transport
