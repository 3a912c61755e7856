//! A certificate authority for one test, which writes certificates and keys as PEM files into a folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

pub(crate) struct Authority {
    folder: PathBuf,
    name: String,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of an issued certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Creates an authority and writes its certificate into `folder`.
    pub(crate) fn new(folder: &Path, name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), authority.pem()).unwrap();
        Authority { folder: folder.to_owned(), name: name.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// The file of the authority's certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// Issues a certificate with the common name `name`, valid for the hosts, addresses and URIs in `for_names`.
    pub(crate) fn issue(&self, name: &str, for_names: &[&str]) -> Issued {
        self.write(name, params(name, for_names))
    }

    /// Issues a certificate like [`Authority::issue`], but expired since 2021.
    pub(crate) fn issue_expired(&self, name: &str, for_names: &[&str]) -> Issued {
        let mut params = params(name, for_names);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.write(name, params)
    }

    fn write(&self, name: &str, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let issued = Issued {
            certificate: self.folder.join(format!("{name}.{}.certificate.pem", self.name)),
            key: self.folder.join(format!("{name}.{}.key.pem", self.name)),
        };
        std::fs::write(&issued.certificate, certificate.pem()).unwrap();
        std::fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }
}

impl Issued {
    /// Replaces the contents of both files with those of `other`, one file after the other, as an operator's copy does.
    pub(crate) fn become_like(&self, other: &Issued) {
        std::fs::copy(&other.certificate, &self.certificate).unwrap();
        std::fs::copy(&other.key, &self.key).unwrap();
    }
}

fn params(name: &str, for_names: &[&str]) -> CertificateParams {
    let (uris, hosts): (Vec<&str>, Vec<&str>) = for_names.iter().partition(|name| name.contains("://"));
    let mut params = CertificateParams::new(hosts.into_iter().map(str::to_owned).collect::<Vec<_>>()).unwrap();
    params.subject_alt_names.extend(uris.into_iter().map(|uri| SanType::URI(uri.try_into().unwrap())));
    params.distinguished_name = named(name);
    params.use_authority_key_identifier_extension = true;
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CountryName, "CH");
    distinguished.push(DnType::CommonName, name);
    distinguished
}
